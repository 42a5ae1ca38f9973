"""Results of local runs that later runs use."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import pathlib
import sqlite3
import threading
import time
from typing import Any

import pytest

import flyte
import flyte.errors
from flyte.runtime.local import history
from flyte.runtime.local.cache import SqliteResults
from flyte.runtime.local.flights import Flights

env = flyte.TaskEnvironment(name="cached")

calls: list[Any] = []


@dataclasses.dataclass
class Point:
    x: int


@env.task(cache="auto")
def doubled(x: int) -> int:
    calls.append(x)
    return x * 2


@env.task(cache=flyte.Cache("override", version_override="1"))
async def moved(point: Point, by: int = 1) -> Point:
    calls.append(point.x)
    return Point(point.x + by)


@env.task(cache=flyte.Cache("auto", ignored_inputs=("note", "other")))
def ignores(x: int, note: str, other: int = 0) -> str:
    calls.append(note)
    return note


@env.task(cache="auto")
def blob(n: int) -> bytes:
    calls.append(n)
    return b"x" * n


@env.task
def plain(x: int) -> int:
    calls.append(x)
    return x


@env.task(cache="auto")
def fails(x: int) -> int:
    calls.append(x)
    raise ValueError("bad")


@env.task(cache="auto")
def nothing() -> None:
    calls.append("nothing")


@env.task
async def parent(x: int) -> int:
    return await doubled.aio(x) + (await moved(Point(x))).x


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def _kept(home: pathlib.Path) -> int:
    connection = sqlite3.connect(home / "local" / "cache.db")
    (count,) = connection.execute("SELECT count(*) FROM results").fetchone()
    connection.close()
    return int(count)


@pytest.mark.parametrize(("task", "value", "text"), [(doubled, 2, "4"), (moved, Point(2), "Point(x=3)")])
def test_a_result_is_made_once_for_equal_inputs(task: Any, value: Any, text: str) -> None:
    for _ in range(3):
        assert str(flyte.run(task, value)) == text
    assert len(calls) == 1
    flyte.run(task, 5 if task is doubled else Point(5))
    assert len(calls) == 2


def test_children_use_kept_results_and_the_history_says_so() -> None:
    assert flyte.run(parent, 3).outputs()[0] == 10
    run = flyte.run(parent, 3)
    assert run.outputs()[0] == 10
    assert len(calls) == 2
    root, *children = history.actions_of(run.name)
    assert [child.from_cache for child in children] == [True, True] and not root.from_cache
    assert [child.outputs for child in children] == [{"o0": "6"}, {"o0": "Point(x=4)"}]
    assert {child.phase for child in children} == {"succeeded"}


def test_a_task_without_a_cache_always_runs(home: pathlib.Path) -> None:
    flyte.run(plain, 1)
    flyte.run(plain, 1)
    assert calls == [1, 1]
    assert not (home / "local" / "cache.db").exists()


def test_failures_are_not_kept(home: pathlib.Path) -> None:
    for _ in range(2):
        with pytest.raises(flyte.errors.RuntimeUserError):
            flyte.run(fails, 1)
    assert calls == [1, 1]
    assert _kept(home) == 0


def test_a_task_without_outputs_is_cached_too() -> None:
    assert [flyte.run(nothing).outputs() for _ in range(2)] == [(None,), (None,)]
    assert calls == ["nothing"]


def test_ignored_inputs_do_not_count() -> None:
    assert str(flyte.run(ignores, 1, "first")) == "first"
    assert str(flyte.run(ignores, 1, "second", other=5)) == "first"
    assert str(flyte.run(ignores, 2, "third")) == "third"


def test_another_version_or_salt_is_another_result() -> None:
    flyte.run(moved, Point(1))
    flyte.run(moved.override(cache=flyte.Cache("override", version_override="2")), Point(1))
    flyte.run(doubled, 1)
    flyte.run(doubled.override(cache=flyte.Cache("auto", salt="s")), 1)
    flyte.run(doubled.override(cache="disable"), 1)
    assert calls == [1] * 5
    flyte.run(doubled.override(cache=flyte.Cache("auto", salt="s")), 1)
    assert len(calls) == 5


def test_a_result_above_its_age_is_made_anew(home: pathlib.Path) -> None:
    fresh = doubled.override(cache=flyte.Cache("auto", max_age=dt.timedelta(hours=1)))
    flyte.run(fresh, 1)
    flyte.run(fresh, 1)
    assert calls == [1]
    connection = sqlite3.connect(home / "local" / "cache.db")
    connection.execute("UPDATE results SET created_at = created_at - 3601")
    connection.commit()
    connection.close()
    flyte.run(doubled, 1)
    assert calls == [1]
    flyte.run(fresh, 1)
    flyte.run(fresh, 1)
    assert calls == [1, 1]


def test_overwriting_makes_results_anew_and_keeps_them(home: pathlib.Path) -> None:
    flyte.run(doubled, 1)
    flyte.with_runcontext(mode="local", overwrite_cache=True).run(doubled, 1)
    flyte.run(doubled, 1)
    assert calls == [1, 1]
    assert _kept(home) == 1


def test_a_run_with_its_cache_disabled_neither_uses_nor_keeps_results(home: pathlib.Path) -> None:
    without = flyte.with_runcontext(mode="local", disable_run_cache=True)
    without.run(doubled, 1)
    without.run(doubled, 1)
    assert calls == [1, 1]
    assert not (home / "local" / "cache.db").exists()


def test_the_version_is_in_the_context() -> None:
    assert str(flyte.run(tells_version)) == "seven"
    assert str(flyte.run(tells_version.override(cache="disable"))) == ""


@env.task(cache=flyte.Cache("override", version_override="seven"))
def tells_version() -> str:
    return str(flyte.ctx().version)


# Results that cannot be read or kept.


def _spoil_row(home: pathlib.Path) -> None:
    connection = sqlite3.connect(home / "local" / "cache.db")
    connection.execute("UPDATE results SET outputs = ?", (b"\xff\xff\xff",))
    connection.commit()
    connection.close()


def _remove_blobs(home: pathlib.Path) -> None:
    for path in (home / "local" / "data").rglob("*.pkl"):
        path.unlink()


@pytest.mark.parametrize("spoil", [_spoil_row, _remove_blobs])
def test_a_result_that_cannot_be_read_is_made_anew_with_a_warning(
    home: pathlib.Path, spoil: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert flyte.run(blob, 50_000).outputs()[0] == b"x" * 50_000
    flyte.run(blob, 50_000)
    assert calls == [50_000]
    spoil(home)
    assert flyte.run(blob, 50_000).outputs()[0] == b"x" * 50_000
    assert calls == [50_000] * 2
    assert "A kept result of cached.blob cannot be read" in caplog.text


def test_a_cache_that_cannot_be_opened_is_told_once_and_runs_go_on(
    home: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "local").mkdir()
    (home / "local" / "cache.db").write_bytes(b"no database at all" * 100)
    assert flyte.run(parent, 1).outputs()[0] == 4
    assert len([r for r in caplog.records if "are not kept" in r.getMessage()]) == 1


def test_a_cached_task_whose_source_is_not_at_hand_says_what_to_do() -> None:
    space: dict[str, Any] = {"env": env}
    exec("@env.task(cache='auto')\ndef typed_in() -> int:\n    return 1\n", space)
    with pytest.raises(flyte.errors.InvalidValue, match="version_override"):
        flyte.run(space["typed_in"])


# The database.


def test_the_database_gives_back_the_newest_and_honours_age(tmp_path: pathlib.Path) -> None:
    now = [1000.0]
    results = SqliteResults(tmp_path / "c" / "cache.db", lambda: now[0])
    assert results.get("k", None) is None
    results.put("k", "t", "v", b"1")
    results.put("k", "t", "v", b"2")
    now[0] += 10
    assert results.get("k", None) == results.get("k", dt.timedelta(seconds=10)) == b"2"
    assert results.get("k", dt.timedelta(seconds=9)) is None
    results.close()
    assert results.get("k", None) == b"2"
    results.close()


# One of several equal actions at once.

at_once, most = [0], [0]


def _count() -> None:
    at_once[0] += 1
    most[0] = max(most[0], at_once[0])


@env.task(cache=flyte.Cache("override", version_override="s", serialize=True))
async def alone(x: int, fail_first: bool = False) -> int:
    calls.append(x)
    _count()
    try:
        for _ in range(5):
            await asyncio.sleep(0)
        if fail_first and calls.count(1) == 1:
            raise ValueError("the first fails")
        return x
    finally:
        at_once[0] -= 1


@env.task(cache=flyte.Cache("override", version_override="s", serialize=True))
def alone_blocking(x: int) -> int:
    calls.append(x)
    _count()
    time.sleep(0.01)
    at_once[0] -= 1
    return x


@env.task
async def many(fail_first: bool) -> int:
    results = await asyncio.gather(
        *[alone(1, fail_first) for _ in range(5)], *[alone_blocking.aio(2) for _ in range(5)], return_exceptions=True
    )
    return sum(r for r in results if isinstance(r, int))


@pytest.mark.parametrize("options", [{}, {"overwrite_cache": True}])
def test_equal_actions_at_once_run_one_and_the_others_take_its_result(options: Any) -> None:
    assert flyte.with_runcontext(mode="local", **options).run(many, False).outputs()[0] == 15
    assert sorted(calls) == [1, 2]


def test_when_the_one_fails_the_next_tries() -> None:
    assert flyte.run(many, True).outputs()[0] == 14
    assert sorted(calls) == [1, 1, 2]


def test_equal_actions_of_several_runs_wait_for_each_other() -> None:
    runs = [threading.Thread(target=flyte.run, args=(alone_blocking, 3)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert calls == [3]


async def test_who_gives_up_waiting_leaves_the_queue() -> None:
    flights = Flights()
    order: list[str] = []

    async def fly(name: str) -> None:
        async with flights.alone_async("k") as has_waited:
            order.append(f"{name} {has_waited}")
            await asyncio.sleep(0)

    async with flights.alone_async("k") as has_waited:
        assert not has_waited
        async with flights.alone_async("another"):
            pass
        waiting = [asyncio.create_task(fly(name)) for name in "abc"]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == ["a True", "c True"]
    async with flights.alone_async("k") as has_waited:
        assert not has_waited


async def test_a_turn_that_comes_to_one_who_just_gave_up_is_handed_on() -> None:
    flights = Flights()
    async with flights.alone_async("k"):
        late = asyncio.create_task(flights.alone_async("k").__aenter__())
        await asyncio.sleep(0)
    late.cancel()  # its turn has come, and it has not noticed yet
    await asyncio.gather(late, return_exceptions=True)
    assert late.cancelled()
    with flights.alone("k") as has_waited:
        assert not has_waited
