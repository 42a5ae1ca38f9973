"""A run survives whatever is killed below it: nothing is run twice, no line of a log is lost."""

from __future__ import annotations

import os
import pathlib
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import flyte
import flyte.remote
from flyte.server.executors.process.processes import by_attempt, start_time
from tests.conftest import Backend

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def own(tmp_path: pathlib.Path) -> Iterator[Backend]:
    """A backend that a test may kill."""
    running = Backend(tmp_path / "home").start()
    flyte.init_from_config(running.config, root_dir=HERE)
    yield running
    running.stop()


def lines(file: pathlib.Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def supervisor_of(own: Backend) -> int:
    return int((own.data / "supervisor.lock").read_text())


def check_logs(run: Any, fanout: Any, n: int) -> None:
    seen = 0
    for action in flyte.remote.Action.listall(for_run_name=run.name):
        if action.name == "a0":
            continue
        log = [str(line).rstrip("\n").rpartition("step ")[2] for line in action.get_logs()]
        number = log[0].split()[0]
        assert log == [f"{number} line {i}" for i in range(fanout.LINES)]
        seen += 1
    assert seen == n


@pytest.mark.parametrize("what", ["control plane", "supervisor", "both", "supervisor that hangs"])
def test_a_run_of_fifty_actions_survives_a_kill(
    own: Backend, fanout: Any, tmp_path: pathlib.Path, eventually: Any, what: str
) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.many, file=str(file), n=50, seconds=0.5)
    eventually(lambda: len(lines(file)) > 12, "a part of the actions")
    if what != "control plane":
        os.kill(supervisor_of(own), signal.SIGSTOP if what == "supervisor that hangs" else signal.SIGKILL)
    if what in ("control plane", "both"):
        own.kill()
        eventually(lambda: len(lines(file)) > 13, "tasks that go on without it")
        own.start()
    run = flyte.remote.Run.get(run.name)
    run.wait()
    assert run.status == "SUCCEEDED", str(run)
    assert run.outputs()[0] == sum(range(50))
    assert Counter(lines(file)) == Counter(["parent", *(f"step {i}" for i in range(50))])
    check_logs(run, fanout, 50)


def test_interrupted_attempts_are_started_again_and_no_budget_pays(
    own: Backend, fanout: Any, tmp_path: pathlib.Path, eventually: Any
) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.many, file=str(file), n=6, seconds=6.0)
    for times in range(1, 6):  # more often than the system budget would allow
        eventually(lambda times=times: lines(file).count("step 0") >= times, "the children")
        pids = {supervisor_of(own), *processes_of(own)}
        own.stop()
        eventually(lambda: not any(lives(pid) for pid in pids), "the end of supervisor and tasks", 20)  # noqa: B023
        own.start()
    again = flyte.remote.Run.get(run.name)
    again.wait()
    assert again.status == "SUCCEEDED", str(again)
    assert again.outputs()[0] == sum(range(6))


def lives(pid: int) -> bool:
    return start_time(pid) is not None


def processes_of(own: Backend) -> set[int]:
    """Every process that belongs to an attempt of a backend."""
    return {pid for pid, folder in by_attempt() if pathlib.Path(folder).is_relative_to(own.data)}


def test_stopping_keeps_what_was_done(own: Backend, fanout: Any, tmp_path: pathlib.Path, eventually: Any) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.many, file=str(file), n=20, seconds=0.3)
    eventually(lambda: len(lines(file)) >= 10, "some of the children")
    own.stop()
    own.start()
    again = flyte.remote.Run.get(run.name)
    again.wait()
    assert again.outputs()[0] == sum(range(20))
    counted = Counter(lines(file))
    assert counted["parent"] == 2
    assert any(counted[f"step {i}"] == 1 for i in range(20)), "what was finished is not run again"


def test_a_task_that_was_killed_alone_is_retried_by_the_system(
    own: Backend, fanout: Any, tmp_path: pathlib.Path, eventually: Any
) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.nested, file=str(file), depth=0)
    pid = int(eventually(lambda: lines(file), "the start")[0].split()[1])
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(lines(file)) == 2, "the second attempt")
    run.abort()


def test_an_abort_ends_everything_below(own: Backend, fanout: Any, tmp_path: pathlib.Path, eventually: Any) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.nested, file=str(file), depth=5)
    eventually(lambda: len(lines(file)) == 6, "six levels")
    pids = [int(line.split()[1]) for line in lines(file)]
    run.abort()
    eventually(lambda: not any(lives(pid) for pid in pids), "the end of all processes", 20)
    phases = {action.phase.value for action in flyte.remote.Action.listall(for_run_name=run.name)}
    assert phases == {"aborted"}


def test_an_abort_while_the_backend_comes_back_ends_what_it_had_started(
    own: Backend, fanout: Any, tmp_path: pathlib.Path, eventually: Any
) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.nested, file=str(file), depth=2)
    eventually(lambda: len(lines(file)) == 3, "three levels")
    pids = [int(line.split()[1]) for line in lines(file)]
    own.kill()
    own.start()
    flyte.remote.Run.get(run.name).abort()
    eventually(lambda: not any(lives(pid) for pid in pids), "the end of all processes", 20)


def test_a_child_that_is_no_longer_awaited_is_ended(own: Backend, fanout: Any, tmp_path: pathlib.Path) -> None:
    run = flyte.run(fanout.gives_up_on_its_child, file=str(tmp_path / "child"))
    assert run.outputs()[0] == "the child was ended"


def test_a_parent_that_is_retried_finds_its_children_finished(
    own: Backend, fanout: Any, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "ran"
    run = flyte.run(fanout.fails_after_its_children, file=str(file), n=10)
    assert run.outputs()[0] == sum(range(10))
    assert Counter(lines(file)) == Counter({"parent": 2, **{f"step {i}": 1 for i in range(10)}})


def test_two_hundred_children_of_one_parent(own: Backend, fanout: Any) -> None:
    assert flyte.run(fanout.two_hundred).outputs()[0] == sum(range(1, 201))


def test_synchronous_tasks_call_synchronous_tasks_and_map_works_in_both(own: Backend, fanout: Any) -> None:
    assert flyte.run(fanout.sync_tree).outputs()[0] == [3, 2, 4, 6]
    assert flyte.run(fanout.async_map).outputs()[0] == [2, 3, 4]
