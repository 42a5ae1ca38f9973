"""What a type checker sees of tasks. Not run: `test_typing.py` gives it to mypy.

An ignored error is one that must be there: strict mode complains of an ignore without an error.
"""

from __future__ import annotations

import asyncio
import functools
from typing import assert_type

import flyte
from flyte.authoring.mapping import map as map_

env = flyte.TaskEnvironment("typing")


@env.task
async def add(a: int, b: int = 1) -> float:
    return a + b


@env.task(retries=3, cache="auto")
def shout(text: str) -> str:
    return text.upper()


@env.task
async def calls() -> None:
    assert_type(await add(1, b=2), float)
    add(1)  # type: ignore[unused-coroutine]
    assert_type(await add.aio(1), float)
    assert_type(shout("a"), str)
    assert_type(await shout.aio("a"), str)
    assert_type(await asyncio.gather(*[add(x) for x in range(3)]), list[float])
    assert_type(await asyncio.gather(*[shout.aio("a") for _ in range(3)]), list[str])
    assert_type(await add.override(retries=2)(1), float)
    assert_type(shout.override(cache="disable")("a"), str)
    assert_type(shout.forward("a"), str)
    assert_type(shout.func("a"), str)


@env.task
async def mistakes() -> None:
    await add("a")  # type: ignore[arg-type]
    await add()  # type: ignore[call-arg]
    await add(1, c=2)  # type: ignore[call-arg]
    await add.aio("a")  # type: ignore[call-overload]
    shout(1)  # type: ignore[arg-type]
    shout("a") + 1  # type: ignore[operator]
    flyte.run(add, "a")  # type: ignore[call-overload]


@env.task
async def maps() -> None:
    assert_type(list(map_(shout, ["a"])), list[str | Exception])
    assert_type(list(map_(shout, ["a"], return_exceptions=False)), list[str])
    assert_type(list(map_(add, [1])), list[float | Exception])
    assert_type([x async for x in map_.aio(add, [1], return_exceptions=False)], list[float])
    assert_type([x async for x in map_.aio(shout, ["a"])], list[str | Exception])
    assert_type(list(map_(functools.partial(shout), ["a"])), list[str | Exception])
    assert_type(list(map_(functools.partial(add, b=2), [1])), list[float | Exception])


def declarations() -> None:
    assert_type(env.clone_with("other"), flyte.TaskEnvironment)
    assert_type(flyte.Image.from_debian_base().with_pip_packages("x").with_env_vars({"a": "b"}), flyte.Image)
    assert_type(flyte.Trigger.daily("at"), flyte.Trigger)
