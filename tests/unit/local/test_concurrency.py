"""Children at once: really concurrent, cancelled when nobody awaits them, and grouped."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

import flyte
import flyte.errors
from flyte.runtime.local import history

env = flyte.TaskEnvironment(name="many")

N = 4
barrier = threading.Barrier(N)
"""Passed only when N threads wait at it at the same time."""


@env.task
def meets(i: int) -> int:
    barrier.wait(20)
    return i * 10


class Meeting:
    """The same for coroutines."""

    def __init__(self) -> None:
        self.here = 0
        self.all = asyncio.Event()

    async def join(self) -> None:
        self.here += 1
        if self.here == N:
            self.all.set()
        async with asyncio.timeout(20):
            await self.all.wait()


meeting: list[Meeting] = []


@env.task
async def meets_async(i: int) -> int:
    await meeting[-1].join()
    return i * 10


@env.task
async def gathers() -> list[int]:
    meeting.append(Meeting())
    return list(await asyncio.gather(*[meets_async(i) for i in range(N)], *[meets.aio(i) for i in range(N)]))


def test_children_awaited_together_run_together() -> None:
    assert flyte.run(gathers).outputs()[0] == [0, 10, 20, 30] * 2


@env.task
def maps() -> list[int]:
    return list(flyte.map(meets, range(N)))  # type: ignore[arg-type]


@env.task
async def maps_async() -> list[int]:
    return [result async for result in flyte.map.aio(meets, range(N))]


@env.task
async def maps_blocking() -> list[int]:
    return list(flyte.map(meets, range(N)))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", [maps, maps_async, maps_blocking])
def test_a_map_is_concurrent(task: Any) -> None:
    assert flyte.run(task).outputs()[0] == [0, 10, 20, 30]


@env.task
async def leaf(i: int) -> int:
    await asyncio.sleep(0)
    return i


@env.task
async def inner_map(n: int) -> int:
    return sum(flyte.map(leaf, range(n)))  # type: ignore[arg-type]


@env.task
async def nested_maps() -> int:
    return sum(flyte.map(inner_map, [1, 2, 3]))  # type: ignore[arg-type]


def test_blocking_maps_may_be_nested() -> None:
    assert flyte.run(nested_maps).outputs()[0] == 0 + 1 + 3


async def test_a_blocking_map_works_in_a_run_on_a_running_loop() -> None:
    assert flyte.run(nested_maps).outputs()[0] == 4


@env.task
def odd_fails(i: int, plus: int) -> int:
    if i % 2:
        raise ValueError(f"odd {i}")
    return i + plus


@env.task
def maps_with_failures() -> list[str]:
    results = flyte.map(functools.partial(odd_fails, plus=100), [0, 1, 2], concurrency=2)
    return [f"{r.code}: {r}" if isinstance(r, flyte.errors.RuntimeUserError) else str(r) for r in results]


@env.task
def stops_at_the_first() -> None:
    list(flyte.map(functools.partial(odd_fails, plus=100), [0, 1, 2], return_exceptions=False))


def test_failed_elements_of_a_map_are_values_unless_asked_otherwise() -> None:
    assert flyte.run(maps_with_failures).outputs()[0] == ["100", "ValueError: odd 1", "102"]
    with pytest.raises(flyte.errors.RuntimeUserError, match="odd 1"):
        flyte.run(stops_at_the_first)


def test_the_children_of_a_map_are_in_its_group(home: Any) -> None:
    name = flyte.run(maps).name
    root, *children = history.actions_of(name)
    assert {child.group for child in children} == {"many.meets_map"}
    assert {child.parent for child in children} == {root.name} == {"a0"}


@env.task
def pool() -> list[int]:
    with ThreadPoolExecutor(N) as executor:
        futures = [executor.submit(copy_context().run, meets, i) for i in range(N)]
        return [future.result() for future in futures]


def test_children_started_from_threads_of_the_task_run_together() -> None:
    run = flyte.run(pool)
    assert run.outputs()[0] == [0, 10, 20, 30]
    assert len({action.name for action in history.actions_of(run.name)}) == N + 1


# Nobody awaits a child any more.

seen: list[str] = []


@env.task
async def endless() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        seen.append("cancelled")
        raise


@env.task
async def leaves_a_child() -> str:
    global left_behind
    left_behind = asyncio.create_task(endless())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return "done"


left_behind: asyncio.Task[None]


@env.task
async def parent_of_leaver() -> list[str]:
    return [await leaves_a_child(), *seen]


@env.task
async def gives_up() -> str:
    try:
        async with asyncio.timeout(0.01):
            await endless()
    except TimeoutError:
        return "gave up"
    return ""


@env.task
async def takes_the_first() -> str:
    async with asyncio.TaskGroup() as group:
        group.create_task(endless())  # type: ignore[arg-type]
        group.create_task(odd_fails.aio(1, 1))
    return ""


def test_children_left_behind_are_cancelled_when_their_parent_ends() -> None:
    seen.clear()
    run = flyte.run(parent_of_leaver)
    assert run.outputs()[0] == ["done", "cancelled"]
    assert [action.phase for action in history.actions_of(run.name)] == ["succeeded", "succeeded", "aborted"]


def test_a_cancelled_child_is_aborted_and_its_parent_goes_on() -> None:
    seen.clear()
    run = flyte.run(gives_up)
    assert str(run) == "gave up"
    assert seen == ["cancelled"]
    assert [action.phase for action in history.actions_of(run.name)] == ["succeeded", "aborted"]


def test_a_failed_sibling_in_a_task_group_cancels_the_others() -> None:
    seen.clear()
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        flyte.run(takes_the_first)
    assert caught.value.code == "ExceptionGroup"
    assert seen == ["cancelled"]


async def test_a_cancelled_run_is_aborted() -> None:
    seen.clear()
    running = asyncio.create_task(flyte.with_runcontext(mode="local", name="stopped").run.aio(endless))
    while not history.list_runs():
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert seen == ["cancelled"]
    assert history.get_run("stopped").phase == "aborted"


release = threading.Event()


@env.task
def blocks() -> None:
    release.wait(30)


@env.task
async def gives_up_on_a_thread() -> str:
    try:
        async with asyncio.timeout(0.01):
            await blocks.aio()
    except TimeoutError:
        return "gave up"
    return ""


def test_a_synchronous_child_that_nobody_awaits_is_named(caplog: pytest.LogCaptureFixture) -> None:
    release.clear()
    try:
        assert str(flyte.run(gives_up_on_a_thread)) == "gave up"
    finally:
        release.set()
    assert "many.blocks was cancelled, and its thread flyte-many.blocks still runs" in caplog.text


# Two tasks and one environment.

one = flyte.TaskEnvironment(name="one", env_vars={"MODE": "1"})
two = flyte.TaskEnvironment(name="two", env_vars={"MODE": "2"})
turn: list[asyncio.Event] = []


@one.task
async def first() -> list[str]:
    before = os.environ["MODE"]
    turn[0].set()
    await turn[1].wait()
    return [before, os.environ["MODE"]]


@two.task
async def second() -> str:
    return os.environ["MODE"]


@env.task
async def disagree() -> list[list[str]]:
    turn[:] = [asyncio.Event(), asyncio.Event()]
    waiting = asyncio.ensure_future(first())
    await turn[0].wait()
    value = await second()
    turn[1].set()
    return [await waiting, [value]]


def test_two_running_tasks_that_disagree_on_a_variable_get_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run = flyte.run(disagree)
    assert run.outputs()[0] == [["1", "1"], ["2"]]
    assert "disagree on the environment variable MODE: local mode has one process, and '2' stands" in caplog.text
    assert "MODE" not in os.environ
