"""The call of a synchronous task on a running loop: awaited it runs, taken for its result it says so."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

import flyte
from flyte.authoring.pending import PendingCall
from flyte.errors import InvalidValue, RuntimeUserError, SyncTaskCallInAsyncContextError

env = flyte.TaskEnvironment("pending")


@env.task
def add(x: int, y: int = 1) -> int:
    return x + y


@env.task
def context_of() -> str:
    return flyte.get_custom_context().get("where", "none")


@env.task
def failing() -> int:
    raise ValueError("no")


def call(x: int = 1, **kwargs: int) -> Any:
    """The call, as what it is at run time."""
    return cast("Any", add(x, **kwargs))


def run(body: Callable[[], Any]) -> Any:
    """Run the body of an asynchronous task."""

    async def asynchronous() -> Any:
        return await body()

    task = flyte.TaskEnvironment("driver").task(asynchronous)
    return flyte.run(task).outputs()[0]


pytestmark = pytest.mark.usefixtures("flyte_home")

WAYS: dict[str, Callable[[], Any]] = {
    "await": lambda: call(1),
    "gather": lambda: asyncio.gather(call(1), call(2)),
    "the same twice in gather": lambda: asyncio.gather(*[call(1)] * 2),
    "wait_for": lambda: asyncio.wait_for(call(1), 30),
    "create_task": lambda: asyncio.create_task(call(1)),
    "ensure_future": lambda: asyncio.ensure_future(call(1)),
    "shield": lambda: asyncio.shield(call(1)),
    "keywords": lambda: call(1, y=5),
}
RESULTS = {"gather": [2, 3], "the same twice in gather": [2, 2], "keywords": 6}


@pytest.mark.parametrize("way", WAYS)
def test_it_runs_wherever_a_coroutine_would(way: str) -> None:
    async def body() -> Any:
        return await WAYS[way]()

    assert run(body) == RESULTS.get(way, 2)


def test_it_runs_in_a_task_group_and_with_as_completed() -> None:
    async def body() -> Any:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(call(1))
        assert "pending.add" in repr(first)
        return sorted([first.result(), *[await done for done in asyncio.as_completed([call(2), call(3)])]])

    assert run(body) == [2, 3, 4]


_BARRIER = threading.Barrier(3)


@env.task
def meet() -> int:
    """Ends when three are here."""
    return 1 if _BARRIER.wait(30) >= 0 else 0


def test_children_awaited_together_run_together() -> None:
    async def body() -> Any:
        return await asyncio.gather(*[cast("Any", meet()) for _ in range(3)])

    assert run(body) == [1, 1, 1]


def test_a_failure_is_raised_where_it_is_awaited() -> None:
    async def body() -> Any:
        pending = cast("Any", failing())
        with pytest.raises(RuntimeUserError, match="no") as e:
            await pending
        return e.value.code

    assert run(body) == "ValueError"


def test_wrong_arguments_are_told_where_it_is_awaited() -> None:
    async def body() -> Any:
        pending = cast("Any", add)(1, 2, 3)
        with pytest.raises(InvalidValue, match=r"pending\.add"):
            await pending
        return "told"

    assert run(body) == "told"


def test_its_context_is_that_of_the_await_as_with_aio() -> None:
    async def body() -> Any:
        with flyte.custom_context(where="one"):
            inside, also_inside = cast("Any", context_of()), context_of.aio()
        before = [await inside, await also_inside]
        outside, also_outside = cast("Any", context_of()), context_of.aio()
        with flyte.custom_context(where="two"):
            return before, [await outside, await also_outside]

    assert run(body) == (["none", "none"], ["two", "two"])


USES: dict[str, Callable[[Any], Any]] = {
    "attribute": lambda p: p.shape,
    "hasattr": lambda p: hasattr(p, "shape"),
    "setting": lambda p: setattr(p, "shape", 1),
    "deleting": lambda p: delattr(p, "shape"),
    "item": lambda p: p["a"],
    "length": len,
    "iteration": list,
    "unpacking": lambda p: print(*p),
    "membership": lambda p: 1 in p,
    "membership of it": lambda p: p in [1],
    "call": lambda p: p(),
    "with": lambda p: p.__enter__(),
    "truth": bool,
    "not": lambda p: not p,
    "equality": lambda p: p == 2,
    "equality from the left": lambda p: 2 == p,  # noqa: SIM300
    "equality with itself": lambda p: p == p,
    "inequality": lambda p: p != 2,
    "order": lambda p: p < 2,
    "maximum": lambda p: max(p, 1),
    "sum": lambda p: sum([p]),
    "adding": lambda p: p + 1,
    "adding in place": lambda p: p.__iadd__(1),
    "adding text": lambda p: "a" + p,
    "dividing": lambda p: divmod(7, p),
    "power": lambda p: 2**p,
    "negation": lambda p: -p,
    "int": int,
    "float": float,
    "rounding": round,
    "index": lambda p: [1, 2][p],
    "str": str,
    "format": lambda p: f"{p}",
    "format with a specification": lambda p: f"{p:.2f}",
    "percent": "%d".__mod__,
    "path": os.fspath,
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
}


@pytest.mark.parametrize("use", USES)
def test_every_use_of_the_result_is_refused_with_the_remedy(use: str) -> None:
    async def body() -> str:
        with pytest.raises(SyncTaskCallInAsyncContextError, match=r"pending\.add .* `await add\(\.\.\.\)`\.$"):
            USES[use](call(1))
        return "refused"

    assert run(body) == "refused"


def test_a_use_after_the_await_says_that_the_result_is_elsewhere() -> None:
    async def body() -> Any:
        pending = call(1)
        await pending
        with pytest.raises(SyncTaskCallInAsyncContextError, match=r"Keep that: `result = await add\(\.\.\.\)`"):
            pending + 1
        with pytest.raises(RuntimeError, match="already awaited"):
            await pending
        return repr(pending)

    assert run(body) == "<call of the synchronous task pending.add, awaited already>"


def test_what_tools_ask_is_answered_as_by_any_object() -> None:
    async def body() -> Any:
        pending, other = call(1), call(1)
        assert repr(pending) == (
            "<call of the synchronous task pending.add that was not awaited: write `await add(...)`>"
        )
        assert f"{pending!r}" == repr(pending)
        assert isinstance(pending, PendingCall)
        assert len({pending, other, pending}) == 2
        assert weakref.ref(pending)() is pending
        for name in ("_repr_html_", "__wrapped__", "cr_frame", "gi_running"):
            assert getattr(pending, name, None) is None
        return await pending + await other

    assert run(body) == 4


@env.task
async def returns_it() -> int:
    return add(1)


@env.task
async def returns_it_as_one_of_two() -> tuple[int, int]:
    return 1, add(1)


@env.task
async def returns_it_for_nothing() -> None:
    add(1)
    return cast("None", add(1))


@env.task
async def hands_it_on() -> int:
    return await add.aio(add(1))


@pytest.fixture
def unheard() -> Iterator[None]:
    """Calls that are dropped here are what the test is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
        gc.collect()


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize(
    ("task", "what"),
    [
        (returns_it, "task pending.returns_it returned its result"),
        (returns_it_as_one_of_two, "task pending.returns_it_as_one_of_two returned its result"),
        (returns_it_for_nothing, "task pending.returns_it_for_nothing returned its result"),
        (hands_it_on, "its result was given to task pending.add"),
    ],
)
def test_as_output_or_input_it_is_refused(task: Any, what: str) -> None:
    with pytest.raises(RuntimeUserError, match=rf"{what} before the call was awaited: write `await add") as e:
        flyte.run(task)
    assert e.value.code == "SyncTaskCallInAsyncContextError"


@env.task
async def returns_it_in_a_list() -> list[int]:
    return [add(1)]


@pytest.mark.usefixtures("unheard")
def test_inside_of_an_output_the_conversion_names_the_remedy() -> None:
    with pytest.raises(flyte.errors.FlyteError, match=r"returns_it_in_a_list.* write `await add\(\.\.\.\)`"):
        flyte.run(returns_it_in_a_list)


def test_one_that_is_dropped_is_told_of_at_the_line_of_its_call() -> None:
    async def body() -> Any:
        with pytest.warns(RuntimeWarning, match=r"pending\.add was never awaited: write `await add\(\.\.\.\)`") as told:
            add(1)
            gc.collect()
        return [warning.filename for warning in told]

    assert run(body) == [__file__]


def test_one_whose_misuse_was_told_or_that_was_closed_is_not_told_of_again() -> None:
    async def body() -> Any:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            call(1).close()
            with pytest.raises(SyncTaskCallInAsyncContextError):
                call(1) + 1
            gc.collect()
        return [str(warning.message) for warning in told if warning.category is RuntimeWarning]

    assert run(body) == []


def test_a_blocking_call_in_a_thread_of_its_own_blocks_as_ever() -> None:
    async def body() -> Any:
        return await asyncio.to_thread(add, 1)

    assert run(body) == 2


async def test_outside_a_task_a_call_on_a_loop_is_a_plain_call() -> None:
    assert add(1) == 2
