"""What the official client runs on our backend: children, errors, retries and something to abort."""

import asyncio
import os
import pathlib
import sys

import flyte

env = flyte.TaskEnvironment(name="flows")


@env.task
async def square(x: int) -> int:
    print("squaring", x, flush=True)
    return x * x


@env.task
async def main(n: int = 3) -> int:
    """Sum of squares, computed in parallel."""
    print("summing up to", n, flush=True)
    return sum(await asyncio.gather(*[square(i) for i in range(n)]))


@env.task
def fails(x: int) -> int:
    raise ValueError(f"bad thing {x}")


@env.task
async def parent_of_failure(x: int) -> str:
    try:
        await fails.aio(x)
    except flyte.errors.RuntimeUserError as e:
        return f"{e.code}: {e}"
    return "no error"


@env.task(retries=2)
async def flaky() -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt == 0:
        raise RuntimeError("the first attempt fails")
    return attempt


@env.task
async def environment() -> str:
    """Where the interpreter is that executes this."""
    return sys.prefix


@env.task
async def waits(folder: str) -> int:
    """Say that it runs, then wait for a file that never comes."""
    pathlib.Path(folder, f"started-{os.getpid()}").touch()
    while not pathlib.Path(folder, "go").exists():
        await asyncio.sleep(0.05)
    return 1


@env.task
async def waits_for_children(folder: str) -> int:
    return sum(await asyncio.gather(waits(folder), waits.override(short_name="second")(folder)))
