"""A pipeline in a package."""

import flyte
from acme.flows.numbers import twice

env = flyte.TaskEnvironment(name="acme")


@env.task
async def main(x: int = 1) -> int:
    return twice(x)
