"""A folder with a program for the tests of the command line."""

from __future__ import annotations

import pathlib

import pytest

PROGRAM = '''"""Tasks for the tests of the command line."""
import asyncio
import pathlib
import sys
import time

import flyte

print("this module is loaded")
env = flyte.TaskEnvironment(name="shop")


@env.task
async def square(x: int) -> int:
    return x * x


@env.task
async def main(n: int = 3, debug: bool = False, input_path: str = "here") -> int:
    """Sum squares.

    Args:
        n: How many.
    """
    print(f"n={n} debug={debug} input_path={input_path}")
    return sum(await asyncio.gather(*[square(i) for i in range(n)]))


@env.task
def show(n: int, debug: bool = False, input_path: str = "here") -> str:
    print("a line of the task")
    return f"{n} {debug} {input_path}"


@env.task
def two(a: str) -> tuple[int, str]:
    return 1, a


@env.task
def nothing() -> None:
    print("nothing")


@env.task
def fail(message: str) -> int:
    raise ValueError(message)


@env.task(timeout=1)
async def too_slow() -> int:
    await asyncio.sleep(60)
    return 1


@env.task
async def wait_for(path: str) -> str:
    print("waiting", flush=True)
    while not pathlib.Path(path).exists():
        await asyncio.sleep(0.02)
    return "there"


@env.task(retries=1)
def second_time(path: str) -> str:
    if not pathlib.Path(path).exists():
        pathlib.Path(path).touch()
        print("first attempt", flush=True)
        raise ValueError("once")
    print("second attempt", flush=True)
    return "done"


@env.task
def promises_nothing(a: str):
    return a


@env.task
def escapes() -> str:
    print("log \\x1b]52;c;aGk=\\x07 \\x1b[2J end", flush=True)
    return "result \\x1b[31m\\x9b"


@env.task
def escaping_error() -> str:
    raise ValueError("error \\x1b]0;title\\x07")


@env.task
def thing(a: int) -> set[int]:
    return {a}
'''


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with `shop.py`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "shop.py").write_text(PROGRAM)
    return folder
