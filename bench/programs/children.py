"""A parent with many trivial children. Runs under this SDK and under the official one."""

import asyncio

import flyte

env = flyte.TaskEnvironment(name="bench_children")


@env.task
async def child(i: int) -> int:
    return i


@env.task
async def single(n: int) -> int:
    return n


@env.task
async def sequential(n: int) -> int:
    total = 0
    for i in range(n):
        total += await child(i)
    return total


@env.task
async def parallel(n: int) -> int:
    return sum(await asyncio.gather(*[child(i) for i in range(n)]))
