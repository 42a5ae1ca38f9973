"""A program of a user, as the tests of this folder run it."""

from __future__ import annotations

import asyncio
import dataclasses
import os

import flyte

env = flyte.TaskEnvironment(name="pipeline_env", env_vars={"PIPELINE": "yes"}, description="Steps of a pipeline")


@dataclasses.dataclass
class Report:
    total: int
    parts: list[int]


@env.task
async def double(x: int) -> int:
    print(f"doubling {x}")
    return x * 2


@env.task
def add_one(x: int) -> int:
    return x + 1


@env.task
async def main(n: int = 3) -> Report:
    """Double the numbers below n.

    Args:
        n: How many numbers.
    """
    print("main begins")
    with flyte.group("doubling"):
        parts = await asyncio.gather(*[double(i) for i in range(n)])
    return Report(total=sum(parts), parts=list(parts))


@env.task
def sync_main(n: int) -> list[int]:
    first = add_one(n)
    return [first, *flyte.map(add_one, range(n))]


@env.task
def two() -> tuple[int, str]:
    return 1, "b"


@env.task
def nothing() -> None:
    print("nothing to return")


@env.task
def fails(message: str) -> int:
    raise ValueError(message)


@env.task
async def catches(message: str) -> str:
    try:
        await fails.aio(message)
    except flyte.errors.RuntimeUserError as e:
        return f"{e.code}: {e}"
    return "not reached"


@env.task(retries=2)
def flaky(marker: str) -> int:
    attempts = flyte.ctx().attempt_number
    print(f"attempt {attempts}")
    if attempts < 2:
        raise RuntimeError(f"attempt {attempts} fails")
    return attempts


@env.task
def context() -> dict[str, str]:
    ctx = flyte.ctx()
    return {
        "action": ctx.action.name,
        "run": str(ctx.action.run_name),
        "project": flyte.current_project(),
        "domain": flyte.current_domain(),
        "variable": os.environ["PIPELINE"],
        "run_variable": os.environ.get("RUN_VARIABLE", ""),
        "custom": flyte.get_custom_context().get("k", ""),
    }


@env.task
async def passes_context() -> str:
    with flyte.custom_context(k="from the parent"):
        return (await context.aio())["custom"]


@env.task
async def sleeps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@env.task
async def sleeping_children(n: int, seconds: float) -> int:
    await asyncio.gather(*[sleeps(seconds + i) for i in range(n)])
    return n


@env.task(cache=flyte.Cache("override", version_override="1", ignored_inputs=("note",)))
def cached(x: int, note: str, path: str) -> int:
    with open(path, "a") as file:
        file.write("ran\n")
    return x


secretive = flyte.TaskEnvironment(name="secretive", secrets="api-key")


@secretive.task
def needs_secret() -> int:
    return 1


elsewhere = flyte.remote.Task.get("pipeline_env.add_one", auto_version="latest")
here = flyte.remote.Task.get("pipeline_env.double", auto_version="current")


@env.task
async def calls_deployed() -> list[int]:
    return [await elsewhere(x=1), await here(x=21)]


@env.task
async def calls_deployed_by_position() -> int:
    return await elsewhere(1)


@env.task
async def nested(depth: int, width: int) -> int:
    """How many actions there are below, and this one."""
    if depth == 0:
        return 1
    return 1 + sum(await asyncio.gather(*[nested(depth - 1, width) for _ in range(width)]))


@env.task
def nested_sync(depth: int) -> int:
    return 1 if depth == 0 else 1 + nested_sync(depth - 1)
