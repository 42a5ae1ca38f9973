"""`flyte.map`: in order, really at once, bounded, with failures either way."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import flyte
from flyte.errors import InvalidType, InvalidValue, RuntimeUserError

env = flyte.TaskEnvironment("maps")
DEADLINE = 20.0


class Watch:
    """Counts what runs at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.started = self.cancelled = 0

    def __enter__(self) -> Watch:
        with self.lock:
            self.now += 1
            self.started += 1
            self.most = max(self.most, self.now)
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


watch = Watch()
barrier = threading.Barrier(3)
released = threading.Event()


@pytest.fixture(autouse=True)
def _fresh(flyte_home: Any) -> Iterator[None]:
    global watch, barrier
    watch, barrier = Watch(), threading.Barrier(3)
    released.clear()
    yield
    released.set()


@env.task
def square(x: int) -> int:
    return x * x


@env.task
async def add(a: int, b: int = 10) -> int:
    return a + b


@env.task
def meet(x: int) -> int:
    with watch:
        barrier.wait(DEADLINE)
    return x


@env.task
async def yielding(x: int) -> int:
    with watch:
        for _ in range(20):
            await asyncio.sleep(0)
    return x


@env.task
def picky(x: int) -> int:
    if x == 2:
        raise ValueError("two")
    return x


@env.task
async def first_waits(x: int) -> int:
    """Zero never ends by itself, one fails at once."""
    try:
        if x == 0:
            await asyncio.Event().wait()
        raise ValueError(f"{x}")
    except asyncio.CancelledError:
        watch.cancelled += 1
        raise


@env.task
async def early_or_never(x: int) -> int:
    if x > 0:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            watch.cancelled += 1
            raise
    return x


@env.task
async def later_is_faster(x: int) -> int:
    for _ in range(100 * (5 - x)):
        await asyncio.sleep(0)
    return x


# Parents.


@env.task
def squares(n: int) -> list[int]:
    return list(flyte.map(square, range(n), return_exceptions=False))


@env.task
def meeting(n: int) -> list[int]:
    return list(flyte.map(meet, range(n), return_exceptions=False))


@env.task
async def meeting_async(n: int) -> list[int]:
    return [x async for x in flyte.map.aio(meet, range(n), return_exceptions=False)]


@env.task
async def in_order() -> list[int]:
    return [x async for x in flyte.map.aio(later_is_faster, range(5), return_exceptions=False)]


@env.task
def bounded(n: int, concurrency: int) -> list[int]:
    return list(flyte.map(yielding, range(n), concurrency=concurrency, return_exceptions=False))


@env.task
def failures() -> list[str]:
    return [repr(x) if isinstance(x, int) else f"{type(x).__name__} {x}" for x in flyte.map(picky, [1, 2, 3])]


@env.task
def raising() -> str:
    try:
        return f"nothing raised: {list(flyte.map(picky, [1, 2, 3], return_exceptions=False))}"
    except RuntimeUserError as e:
        return f"{e.code}: {e}"


@env.task
def summed() -> int:
    return sum(flyte.map(picky, [1, 2, 3]))  # type: ignore[arg-type]


@env.task
async def fails_fast() -> str:
    try:
        async for _ in flyte.map.aio(first_waits, [0, 1], return_exceptions=False):
            pass
    except RuntimeUserError as e:
        return str(e)
    return "nothing raised"


@env.task
def leaves_early() -> int:
    for x in flyte.map(early_or_never, range(4)):
        assert isinstance(x, int)
        return x
    return -1


@env.task
async def leaves_early_async() -> int:
    results = flyte.map.aio(early_or_never, range(4))
    async for x in results:
        assert isinstance(x, int)
        await results.aclose()  # type: ignore[attr-defined]
        return x
    return -1


@env.task
def partials() -> list[list[int]]:
    return [
        list(flyte.map(functools.partial(add, b=1), [1, 2], return_exceptions=False)),
        list(flyte.map(functools.partial(add, a=1), [1, 2], return_exceptions=False)),
        list(flyte.map(functools.partial(add, 5), [1, 2], return_exceptions=False)),
        list(flyte.map(add, [1, 2], [3, 4, 5], return_exceptions=False)),
        list(flyte.map(add, [1, 2], return_exceptions=False)),
        list(flyte.map(square, return_exceptions=False)),
        list(flyte.map(square, [], return_exceptions=False)),
    ]


@env.task
def child_name(x: int) -> str:
    return flyte.ctx().action.name


@env.task
def named(group_name: str | None) -> list[str]:
    return list(flyte.map(child_name, [1, 1], group_name=group_name, return_exceptions=False))


@env.task
def nested_arguments() -> list[int]:
    return list(flyte.map(square, (square(x) for x in range(3)), return_exceptions=False))


def value(task: Any, *args: Any) -> Any:
    return flyte.run(task, *args).outputs()[0]


def test_results_come_in_input_order() -> None:
    assert value(squares, 20) == [x * x for x in range(20)]
    assert value(in_order) == [0, 1, 2, 3, 4]


def test_synchronous_children_of_a_synchronous_parent_run_at_once() -> None:
    assert value(meeting, 3) == [0, 1, 2]
    assert watch.most == 3


def test_synchronous_children_of_an_asynchronous_parent_run_at_once() -> None:
    assert value(meeting_async, 3) == [0, 1, 2]
    assert watch.most == 3


def test_no_more_run_at_once_than_allowed() -> None:
    assert value(bounded, 10, 2) == list(range(10))
    assert watch.most == 2
    assert watch.started == 10


def test_without_a_bound_all_run_at_once() -> None:
    assert value(bounded, 10, 0) == list(range(10))
    assert watch.most == 10


def test_failures_are_yielded_in_their_place() -> None:
    assert value(failures) == ["1", "RuntimeUserError two", "3"]


def test_the_first_failure_is_raised_if_wanted() -> None:
    assert value(raising) == "ValueError: two"


def test_arithmetic_with_a_failure_raises_it() -> None:
    with pytest.raises(RuntimeUserError, match="two"):
        flyte.run(summed)


def test_a_failure_does_not_wait_for_elements_before_it() -> None:
    assert value(fails_fast) == "1"
    assert watch.cancelled == 1


@pytest.mark.parametrize("parent", [leaves_early, leaves_early_async])
def test_leaving_early_cancels_what_still_runs(parent: Any) -> None:
    assert value(parent) == 0
    assert watch.cancelled == 3


def test_partials_leave_one_input_open_and_iterables_are_zipped() -> None:
    assert value(partials) == [[2, 3], [2, 3], [6, 7], [4, 6], [11, 12], [], []]


def test_the_group_is_part_of_the_childrens_names() -> None:
    default, other = value(named, None), value(named, "other")
    assert len({*default, *other}) == 4


def test_the_iterables_may_call_tasks_themselves() -> None:
    assert value(nested_arguments) == [0, 1, 16]


def test_outside_a_task_the_calls_are_plain() -> None:
    assert list(flyte.map(square, [1, 2])) == [1, 4]
    assert list(flyte.map(add, [1, 2], [3, 4])) == [4, 6]
    assert list(flyte.map(functools.partial(add, b=1), [1])) == [2]
    one, two = flyte.map(picky, [1, 2])
    assert one == 1
    assert isinstance(two, ValueError)
    with pytest.raises(ValueError, match="two"):
        list(flyte.map(picky, [1, 2], return_exceptions=False))


async def test_outside_a_task_the_asynchronous_form_works_too() -> None:
    assert [x async for x in flyte.map.aio(add, [1, 2])] == [11, 12]
    assert [x async for x in flyte.map.aio(square, [1, 2], concurrency=1)] == [1, 4]


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda m: m(len, [1]), InvalidType, "flyte.map takes a task or a functools.partial of one, not <built-in"),
        (lambda m: m(functools.partial(len), [1]), InvalidType, "flyte.map takes a task or a functools.partial of one"),
        (lambda m: m(square, 3), InvalidType, "flyte.map takes iterables of values, not 3."),
        (lambda m: m(square, [1], concurrency=-1), InvalidValue, "must be zero (no bound) or more, got -1."),
        (lambda m: m(square, [1], concurrency="2"), InvalidValue, "must be zero (no bound) or more, got '2'."),
        (lambda m: m(square, [1], [2]), InvalidType, "was given 2 iterables for maps.square, which has 1 inputs."),
        (lambda m: m(three, [1], [2]), InvalidType, "was given 2 iterables for maps.three, and none for c."),
        (lambda m: m(functools.partial(add, 1, 2), [1]), InvalidType, "exactly one input left to fill in, and 0 are."),
        (lambda m: m(functools.partial(add), [1]), InvalidType, "one input left to fill in, and 2 are: a, b."),
        (lambda m: m(functools.partial(add, c=1), [1]), InvalidType, "binds more than its inputs, which are a, b."),
        (lambda m: m(functools.partial(add, 1), [1], [2]), InvalidType, "takes one iterable, for 'b'."),
    ],
)
@pytest.mark.parametrize("form", [flyte.map, flyte.map.aio])
def test_what_cannot_be_mapped_is_refused_at_once(form: Any, call: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as e:
        call(form)
    assert sentence in str(e.value)


@env.task
def three(a: int, b: int, c: int) -> int:
    return a + b + c
