"""The bridge between synchronous and asynchronous code."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from flyte.syncify import BlockingFunction, Bridge, bridge, on_running_loop, run_blocking, syncify

mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


@syncify
async def where(prefix: str = "") -> str:
    """Say which thread runs this."""
    await asyncio.sleep(0)
    return prefix + threading.current_thread().name


@syncify
async def count(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name

    @syncify
    async def its_name(self) -> str:
        return self.name

    @syncify
    async def letters(self) -> AsyncIterator[str]:
        for letter in self.name:
            yield letter

    @syncify
    @classmethod
    async def of_class(cls, name: str) -> Thing:
        return cls(name)


def test_the_blocking_form_runs_on_the_background_loop() -> None:
    assert where("on ") == "on flyte-bridge"


async def test_the_asynchronous_form_runs_on_the_callers_loop() -> None:
    assert await where.aio("on ") == "on MainThread"


async def test_the_blocking_form_works_where_a_loop_runs_already() -> None:
    assert where() == "flyte-bridge"


def test_name_and_docstring_are_kept() -> None:
    assert (where.__name__, where.__doc__) == ("where", "Say which thread runs this.")  # type: ignore[attr-defined]


def test_methods_generators_and_class_methods_are_bound() -> None:
    thing = Thing.of_class("abc")
    assert isinstance(thing, Thing)
    assert thing.its_name() == "abc"
    assert list(thing.letters()) == ["a", "b", "c"]


async def test_methods_generators_and_class_methods_have_their_asynchronous_form() -> None:
    thing = await Thing.of_class.aio("abc")
    assert await thing.its_name.aio() == "abc"
    assert [letter async for letter in thing.letters.aio()] == ["a", "b", "c"]


def test_what_the_coroutine_raises_is_raised_at_the_caller() -> None:
    @syncify
    async def fails() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        fails()


def test_the_context_of_the_caller_is_seen() -> None:
    @syncify
    async def seen() -> str:
        return mark.get()

    token = mark.set("mine")
    try:
        assert seen() == "mine"
    finally:
        mark.reset(token)


def test_only_asynchronous_functions_can_be_bridged() -> None:
    with pytest.raises(TypeError, match="@syncify takes an async function"):
        syncify(lambda: 1)  # type: ignore[arg-type, return-value]


def test_the_blocking_form_on_the_background_loop_says_deadlock_at_once() -> None:
    @syncify
    async def waits_for_itself() -> str:
        return where()

    with pytest.raises(AssertionError, match=r"Deadlock detected.*\.aio"):
        waits_for_itself()


def test_any_awaitable_can_be_waited_for() -> None:
    async def answer() -> int:
        return 42

    assert run_blocking(answer()) == 42


def test_an_interrupted_wait_cancels_the_coroutine(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupted(self: object, timeout: float | None = None) -> None:
        assert begun.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Bridge("interrupted").run(endless())
    assert ended.wait(20)


# Iterating.


def test_an_iterator_left_early_is_closed() -> None:
    closed = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            for i in range(1000):
                yield i
        finally:
            await asyncio.sleep(0)
            closed.set()

    iterator = bridge.iterate(numbers())
    assert next(iterator) == 0
    assert isinstance(iterator, Iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert closed.is_set()


def test_what_an_iterator_raises_comes_in_its_place() -> None:
    @syncify
    async def fails_third() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise LookupError("third")

    numbers = fails_third()
    assert [next(numbers), next(numbers)] == [1, 2]
    with pytest.raises(LookupError, match="third"):
        next(numbers)


def test_iterators_may_be_nested_as_deep_as_one_likes() -> None:
    @syncify
    async def tree(depth: int) -> AsyncIterator[int]:
        for i in range(2):
            yield i if depth == 0 else sum(tree(depth - 1))

    assert sum(tree(5)) == 2**5


def test_iterators_of_one_thread_may_be_interleaved() -> None:
    assert list(zip(count(3), count(3), strict=True)) == [(0, 0), (1, 1), (2, 2)]


def test_loops_of_ended_iterations_are_used_again() -> None:
    before = threading.active_count()
    for _ in range(20):
        assert list(count(2)) == [0, 1]
    assert threading.active_count() <= before + 1


@BlockingFunction
def blocking(prefix: str = "") -> str:
    """Say which thread runs this."""
    return prefix + threading.current_thread().name


async def test_a_blocking_function_has_a_form_that_does_not_block_the_loop() -> None:
    mine = threading.current_thread().name
    assert blocking("in ") == f"in {mine}"
    assert (await blocking.aio("in ")).startswith("in ")
    assert await blocking.aio() != mine
    assert blocking.__doc__ == "Say which thread runs this."


async def test_a_loop_is_seen_where_it_runs() -> None:
    assert on_running_loop()
    assert not await asyncio.to_thread(on_running_loop)
