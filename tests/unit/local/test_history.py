"""What is kept of local runs."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import os
import pathlib
import sqlite3
import subprocess
import sys
import threading
from typing import Any

import pytest

import flyte
import flyte.errors
from flyte.launch.running import RunOptions
from flyte.model.phase import ActionPhase
from flyte.runtime.local import history
from flyte.runtime.local.run import run_local
from flyte.runtime.local.shown import LONGEST, shown

env = flyte.TaskEnvironment(name="kept")


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)


class Unpicklable:
    """Its pickle says on stderr that it was opened."""

    def __reduce__(self) -> Any:
        return (print, ("OPENED",))


@env.task
def double(x: int) -> int:
    return x * 2


@env.task
def move(point: Point, by: dt.timedelta, names: list[str]) -> tuple[Point, str]:
    names.append("changed by the task")
    point.x += 1
    return point, "moved"


@env.task(retries=2)
def second_time(x: int) -> int:
    if flyte.ctx().attempt_number == 0:
        raise ValueError("first time")
    return x


@env.task
def fails() -> None:
    raise ValueError("bad thing")


@env.task(timeout=dt.timedelta(seconds=0.02))
async def too_long() -> None:
    await asyncio.Event().wait()


@env.task
def interrupted() -> None:
    raise KeyboardInterrupt


@env.task
def whole(n: int) -> int:
    with flyte.group("doubles"):
        total = sum(double(i) for i in range(n))
    second_time(1)
    return total


def test_a_run_is_on_disk_when_it_ends(clock: Any) -> None:
    before = dt.datetime.now(dt.UTC)
    run_local(whole, (3,), {}, RunOptions(name="first", project="p", domain="d"), clock)
    run = history.get_run("first")
    assert (run.task, run.project, run.domain, run.phase) == ("kept.whole", "p", "d", ActionPhase.SUCCEEDED)
    assert run.ended_at is not None and before <= run.started_at <= run.ended_at <= dt.datetime.now(dt.UTC)
    assert run.error_code is None and run.pid == os.getpid()
    root, *children = history.actions_of(run)
    assert (root.name, root.parent, root.task, root.group) == ("a0", "", "kept.whole", "")
    assert (root.inputs, root.outputs) == ({"n": "3"}, {"o0": "6"})
    assert [child.task for child in children] == ["kept.double"] * 3 + ["kept.second_time"]
    assert {child.parent for child in children} == {"a0"}
    assert [child.group for child in children] == ["doubles"] * 3 + [""]
    assert [child.inputs for child in children] == [{"x": "0"}, {"x": "1"}, {"x": "2"}, {"x": "1"}]
    assert len({child.name for child in children}) == 4
    for action in (root, *children):
        assert action.phase is ActionPhase.SUCCEEDED
        assert action.started_at is not None and action.ended_at is not None
        assert action.created_at <= action.started_at <= action.ended_at
    retried = children[-1]
    assert retried.attempt == 2
    (failed,) = retried.failed_attempts
    assert (failed.attempt, failed.error_code, failed.error_message) == (1, "ValueError", "first time")
    assert "failure 1 of at most 3" in failed.reason


@pytest.mark.parametrize(
    ("task", "phase", "code"),
    [
        (fails, ActionPhase.FAILED, "ValueError"),
        (too_long, ActionPhase.TIMED_OUT, "MaxRuntimeExceededError"),
        (interrupted, ActionPhase.ABORTED, None),
    ],
)
def test_how_a_run_ended_is_kept(task: Any, phase: ActionPhase, code: str | None) -> None:
    with pytest.raises(KeyboardInterrupt if code is None else flyte.errors.RuntimeUserError):
        flyte.with_runcontext(mode="local", name="ended").run(task)
    run = history.get_run("ended")
    (action,) = history.actions_of(run)
    assert (run.phase, run.error_code) == (action.phase, action.error_code) == (phase, code)
    assert run.ended_at is not None and action.ended_at is not None
    assert run.error_message == action.error_message
    assert (run.error_message is None) == (code is None)


def test_arguments_that_do_not_fit_are_no_run() -> None:
    with pytest.raises(flyte.errors.InvalidValue):
        flyte.run(double)
    with pytest.raises(flyte.errors.InvalidType):
        flyte.run(double, "two")
    assert history.list_runs() == []


def test_runs_are_listed_newest_first_and_the_newest_of_a_name_is_found() -> None:
    for name, x in (("one", 1), ("two", 2), ("one", 3)):
        flyte.with_runcontext(mode="local", name=name).run(double, x)
    assert [run.name for run in history.list_runs()] == ["one", "two", "one"]
    assert [run.name for run in history.list_runs(limit=2)] == ["one", "two"]
    assert history.actions_of("one")[0].inputs == {"x": "3"}
    with pytest.raises(flyte.errors.UnknownName, match="no local run 'three'"):
        history.get_run("three")
    with pytest.raises(flyte.errors.UnknownName, match="no local run 'three'"):
        history.actions_of("three")


def test_values_are_kept_as_they_were_given_and_can_be_read_back() -> None:
    given = {"point": Point(1, ["a"]), "by": dt.timedelta(seconds=5), "names": ["a"]}
    flyte.with_runcontext(mode="local", name="moved").run(move, **given)
    (root,) = history.actions_of("moved")
    assert root.inputs["point"] == "Point(x=1, tags=['a'])"
    assert root.inputs["names"] == "['a']"
    assert root.outputs == {"o0": "Point(x=2, tags=['a'])", "o1": "'moved'"}
    assert history.inputs_of("moved", "a0", move.interface) == given
    assert history.outputs_of("moved", "a0", move.interface) == (Point(2, ["a"]), "moved")
    flyte.with_runcontext(mode="local", name="plain").run(double, 4)
    assert history.inputs_of("plain", "a0", double.interface) == {"x": 4}
    assert history.outputs_of("plain", "a0", double.interface) == (8,)
    with pytest.raises(flyte.errors.UnknownName, match="no action 'b0'"):
        history.inputs_of("plain", "b0", double.interface)


@env.task
def takes_anything(thing: Any) -> int:
    return 1


def test_listing_opens_no_pickle(capsys: pytest.CaptureFixture[str]) -> None:
    flyte.with_runcontext(mode="local", name="opaque").run(takes_anything, Unpicklable())
    capsys.readouterr()
    assert history.actions_of("opaque")[0].inputs["thing"]
    assert "OPENED" not in capsys.readouterr().out
    history.inputs_of("opaque", "a0", takes_anything.interface)
    assert "OPENED" in capsys.readouterr().out


@env.task
def long(text: str, numbers: list[int]) -> int:
    return len(text) + len(numbers)


def test_long_values_are_shown_shortened_and_kept_whole() -> None:
    flyte.with_runcontext(mode="local", name="long").run(long, "x" * 5000, list(range(5000)))
    shown_inputs = history.actions_of("long")[0].inputs
    assert all(len(text) <= LONGEST for text in shown_inputs.values())
    assert history.inputs_of("long", "a0", long.interface) == {"text": "x" * 5000, "numbers": list(range(5000))}


def test_values_above_the_limit_are_kept_as_text_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flyte.runtime.local.journal.LARGEST_KEPT", 2000)
    flyte.with_runcontext(mode="local", name="large").run(long, "x" * 5000, [])
    assert history.actions_of("large")[0].inputs["numbers"] == "[]"
    with pytest.raises(flyte.errors.InvalidValue, match="no inputs of a0"):
        history.inputs_of("large", "a0", long.interface)


def test_the_history_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, home: pathlib.Path) -> None:
    monkeypatch.setenv("FLYTE_LOCAL_HISTORY", "0")
    assert str(flyte.run(double, 2)) == "4"
    assert history.list_runs() == []
    assert not (home / "local" / "history.db").exists()


def _a_file(home: pathlib.Path) -> None:
    (home / "local").write_text("not a folder")


def _no_database(home: pathlib.Path) -> None:
    (home / "local").mkdir()
    (home / "local" / "history.db").write_bytes(b"this is no database" * 100)


def _newer(home: pathlib.Path) -> None:
    (home / "local").mkdir()
    connection = sqlite3.connect(home / "local" / "history.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("spoil", [_a_file, _no_database, _newer])
def test_a_home_that_cannot_be_used_gives_one_warning_and_no_history(
    home: pathlib.Path, spoil: Any, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(home)
    for _ in range(3):
        assert str(flyte.run(whole, 2)) == "2"
    warnings = [r.getMessage() for r in caplog.records if "history" in r.getMessage()]
    assert len(warnings) == 1
    assert "FLYTE_LOCAL_HISTORY=0" in warnings[0]


def test_a_broken_history_is_told_to_who_reads_it(home: pathlib.Path) -> None:
    _no_database(home)
    with pytest.raises(flyte.errors.StorageError, match=r"cannot be read.*Delete it"):
        history.list_runs()


def test_a_run_that_fails_to_be_written_later_goes_on(home: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    flyte.run(double, 1)
    connection = sqlite3.connect(home / "local" / "history.db")
    connection.execute("DROP TABLE actions")
    connection.commit()
    connection.close()
    assert str(flyte.run(double, 2)) == "4"
    assert str(flyte.run(double, 3)) == "6"
    assert len([r for r in caplog.records if "The history of local runs is off" in r.getMessage()]) == 1


begun, may_end = threading.Event(), threading.Event()


@env.task
def waits() -> None:
    begun.set()
    may_end.wait(30)


def test_a_run_can_be_watched_from_outside_while_it_goes_on() -> None:
    begun.clear()
    may_end.clear()
    runner = threading.Thread(target=lambda: flyte.with_runcontext(mode="local", name="watched").run(waits))
    runner.start()
    try:
        assert begun.wait(20)
        deadline = dt.datetime.now() + dt.timedelta(seconds=20)
        while not history.list_runs() and dt.datetime.now() < deadline:
            threading.Event().wait(0.01)
        (root,) = history.actions_of("watched")
        assert (history.get_run("watched").phase, root.phase) == (ActionPhase.RUNNING, ActionPhase.RUNNING)
    finally:
        may_end.set()
        runner.join()
    assert history.get_run("watched").phase is ActionPhase.SUCCEEDED


def test_a_run_whose_process_is_gone_counts_as_aborted(home: pathlib.Path) -> None:
    program = (
        "import os, flyte, time, pathlib\n"
        "env = flyte.TaskEnvironment(name='gone')\n"
        "@env.task\n"
        "def die() -> None:\n"
        "    path = pathlib.Path(os.environ['FLYTE_HOME'], 'local', 'history.db-wal')\n"
        "    deadline = time.monotonic() + 20\n"
        "    while time.monotonic() < deadline and not (path.exists() and b'gone.die' in path.read_bytes()):\n"
        "        time.sleep(0.01)\n"
        "    os._exit(7)\n"
        "flyte.with_runcontext(mode='local', name='gone').run(die)\n"
    )
    script = home / "gone.py"
    script.write_text(program)
    assert subprocess.run([sys.executable, str(script)], timeout=60, check=False).returncode == 7
    assert history.get_run("gone").phase is ActionPhase.ABORTED
    assert [action.phase for action in history.actions_of("gone")] == [ActionPhase.ABORTED]


def test_processes_write_to_one_history(home: pathlib.Path) -> None:
    script = home / "many.py"
    script.write_text(
        "import flyte\n"
        "env = flyte.TaskEnvironment(name='p')\n"
        "@env.task\n"
        "def one(x: int) -> int: return x\n"
        "@env.task\n"
        "def main() -> int: return sum(one(i) for i in range(50))\n"
        "for i in range(3): flyte.run(main)\n"
    )
    running = [subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate(timeout=60)[1] for process in running] == [b""] * 3
    runs = history.list_runs()
    assert len(runs) == 9
    assert all(len(history.actions_of(run)) == 51 for run in runs)


def test_a_forked_child_writes_a_history_of_its_own_runs(home: pathlib.Path) -> None:
    script = home / "forks.py"
    script.write_text(
        "import os, flyte\n"
        "env = flyte.TaskEnvironment(name='f')\n"
        "@env.task\n"
        "def one(x: int) -> int: return x\n"
        "flyte.run(one, 1)\n"
        "child = os.fork()\n"
        "flyte.with_runcontext(mode='local', name='parent' if child else 'child').run(one, 2)\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    # From 3.12 on Python warns of any fork beside a thread; that the history survives one is what is tested.
    quiet = [sys.executable, "-W", "ignore::DeprecationWarning", str(script)]
    done = subprocess.run(quiet, timeout=60, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert history.get_run("child").phase is history.get_run("parent").phase is ActionPhase.SUCCEEDED


def test_the_texts_of_values_are_bounded_whatever_the_value() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown([1, "a"]) == "[1, 'a']"
    assert shown({"b": 1, "a": {2}}) == "{'b': 1, 'a': {2}}"
    assert shown(set()) == "set()" and shown(frozenset({1})) == "frozenset({1})"
    assert shown(Broken()).startswith("<Broken")
    assert shown(Point(1, ["x"] * 1000)).startswith("Point(x=1, tags=['x', ")
    for large in (list(range(10**6)), dict.fromkeys(range(10**6)), set(range(10**6)), "x" * 10**6, 10**3000, 10**6000):
        assert len(shown(large)) <= LONGEST
    nested: list[Any] = []
    nested.append(nested)
    assert len(shown(nested)) <= LONGEST


def test_the_database_is_only_for_its_owner(home: pathlib.Path) -> None:
    flyte.run(double, 1)
    assert (home / "local").stat().st_mode & 0o077 == 0
