"""Cache settings."""

import flyte

env = flyte.TaskEnvironment(name="cached", cache="auto")


@env.task
async def main(x: int, y: str = "a") -> int:
    # A comment does not count.
    return x


@env.task(cache="disable")
async def disabled(x: int) -> int:
    return x


@env.task(cache=flyte.Cache("override", version_override="v1", serialize=True, ignored_inputs=("y",), max_age=60))
async def by_version(x: int, y: str) -> int:
    return x


@env.task(cache=flyte.Cache("auto", salt="pepper", ignored_inputs="y"))
async def salted(x: int, y: str) -> int:
    return x


@env.task(cache=flyte.Cache("disable", salt="pepper"))
async def salted_disabled(x: int) -> int:
    return x
