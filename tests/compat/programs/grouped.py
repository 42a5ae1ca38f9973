"""Calls inside a group."""

import asyncio

import flyte

env = flyte.TaskEnvironment(name="grouped")


@env.task
async def step(x: int) -> int:
    return x


@env.task
async def main() -> int:
    with flyte.group("first"):
        await asyncio.gather(step(1), step(2))
    return await step(1)
