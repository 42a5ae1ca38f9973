"""Parallel children of children."""

import asyncio

import flyte

env = flyte.TaskEnvironment(name="nested")


@env.task
async def leaf(x: int) -> int:
    return x + 1


@env.task
async def branch(x: int) -> int:
    return sum(await asyncio.gather(leaf(x), leaf(x + 1)))


@env.task
async def main(n: int = 3) -> list[int]:
    return list(await asyncio.gather(*[branch(i) for i in range(n)]))
