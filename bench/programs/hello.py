"""The smallest program: one task. Runs under this SDK and under the official one."""

import flyte

env = flyte.TaskEnvironment(name="bench_hello")


@env.task
async def main(name: str = "World") -> str:
    return f"Hello, {name}!"
