"""Parents with children, made to be interrupted."""

from __future__ import annotations

import asyncio
import os
import pathlib
import time

import flyte

env = flyte.TaskEnvironment("fanout")
LINES = 200


def note(file: str, text: str) -> None:
    """Append a line in one write, so that lines of several processes stay whole."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


@env.task
def step(file: str, n: int, seconds: float) -> int:
    note(file, f"step {n}")
    for i in range(LINES):
        print(f"step {n} line {i}")
        time.sleep(seconds / LINES)
    return n


@env.task
async def many(file: str, n: int, seconds: float) -> int:
    note(file, "parent")
    return sum(await asyncio.gather(*[step.aio(file, i, seconds) for i in range(n)]))


@env.task(retries=1)
async def fails_after_its_children(file: str, n: int) -> int:
    note(file, "parent")
    total = sum(await asyncio.gather(*[step.aio(file, i, 0.0) for i in range(n)]))
    if flyte.ctx().attempt_number == 0:  # type: ignore[union-attr]
        raise ValueError("after the children")
    return total


@env.task
async def small(x: int) -> int:
    return x + 1


@env.task
async def two_hundred() -> int:
    return sum(await asyncio.gather(*[small(i) for i in range(200)]))


@env.task
async def waits_for_ever(file: str) -> int:
    note(file, f"pid {os.getpid()}")
    try:
        await asyncio.sleep(600)
    finally:
        note(file, "cleaned up")
    return 1


@env.task
async def gives_up_on_its_child(file: str) -> str:
    try:
        async with asyncio.timeout(30):
            awaiting = asyncio.ensure_future(waits_for_ever(file))
            while not pathlib.Path(file).exists():
                await asyncio.sleep(0.02)
            awaiting.cancel()
            await asyncio.gather(awaiting, return_exceptions=True)
            while "cleaned up" not in pathlib.Path(file).read_text():
                await asyncio.sleep(0.02)
    except TimeoutError:
        return "the child went on"
    return "the child was ended"


@env.task
def sync_small(x: int) -> int:
    return x * 2


@env.task
def sync_middle(x: int) -> int:
    return sync_small(x) + 1


@env.task
def sync_tree() -> list[int]:
    return [sync_middle(1), *flyte.map(sync_small, [1, 2, 3])]


@env.task
async def async_map() -> list[int]:
    return [value async for value in flyte.map.aio(small, [1, 2, 3])]


@env.task
async def nested(file: str, depth: int) -> int:
    note(file, f"pid {os.getpid()}")
    if depth == 0:
        await asyncio.sleep(600)
        return 0
    return await nested(file, depth - 1)
