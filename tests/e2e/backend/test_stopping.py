"""`flyte stop backend` while tasks run: its grace, and tasks that are to go on without a control plane."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from flyte.client import local_backend

PROGRAM = """
import os
import pathlib
import time

import flyte

env = flyte.TaskEnvironment(name="stopping")


@env.task
def wait_for(folder: str) -> str:
    pathlib.Path(folder, "begun").write_text(str(os.getpid()))
    while not pathlib.Path(folder, "go").exists():
        time.sleep(0.02)
    return "there"


@env.task
def unwind(folder: str) -> str:
    pathlib.Path(folder, "begun").write_text(str(os.getpid()))
    try:
        time.sleep(600)
    finally:
        pathlib.Path(folder, "asked").touch()
        time.sleep(8)
        pathlib.Path(folder, "unwound").touch()
    return "never"
"""


@pytest.fixture
def home(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/stopping.py").write_text(PROGRAM)
    yield tmp_path / "home"
    flyte(tmp_path / "home", "stop", "backend", "--grace", "0")


def flyte(home: pathlib.Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The command without any configuration."""
    return subprocess.run(
        [sys.executable, "-m", "flyte.cli.main", *args],
        cwd=home.parent / "work", env={**os.environ, "FLYTE_HOME": str(home), "HOME": str(home)},
        capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def lives(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def begun(home: pathlib.Path, task: str, folder: pathlib.Path) -> int:
    """The process of a task that was started on a backend of its own."""
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0
    done = flyte(home, "run", "--detach", "--name", "one", "stopping.py", task, "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    eventually(lambda: (folder / "begun").exists() and (folder / "begun").read_text() != "", "the task's begin")
    return int((folder / "begun").read_text())


def test_what_runs_may_finish_within_the_grace(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    begun(home, "wait_for", tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "flyte.cli.main", "stop", "backend", "--grace", "60"],
        env={**os.environ, "FLYTE_HOME": str(home), "HOME": str(home)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as stopping:  # fmt: skip
        assert stopping.stderr is not None
        assert stopping.stderr.readline() == "Running tasks get up to 60 s to finish (--grace).\n"
        (tmp_path / "go").touch()
        out, _ = stopping.communicate(timeout=30)
    assert out == "Stopped.\n" and stopping.returncode == 0
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0
    shown = json.loads(flyte(home, "-o", "json", "get", "run", "one").stdout)
    assert (shown["phase"], shown["attempts"]) == ("succeeded", 1)


def test_what_does_not_finish_in_its_grace_is_asked_to_end_and_then_ended(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Unwinding takes eight seconds, longer than anything gets that was asked to end."""
    task = begun(home, "unwind", tmp_path)
    assert flyte(home, "stop", "backend", "--grace", "1").stdout == "Stopped.\n"
    assert (tmp_path / "asked").exists()
    assert not lives(task)
    assert not (tmp_path / "unwound").exists()


def test_tasks_that_are_kept_run_on_and_are_found_by_the_next_start(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    task = begun(home, "wait_for", tmp_path)
    record = local_backend.read_record(home / "backend")
    assert record is not None
    supervisor = int((home / "backend/supervisor.lock").read_text())
    assert flyte(home, "stop", "backend", "--keep-tasks").stdout == "Stopped.\n"
    assert not lives(record.pid)
    assert lives(task) and lives(supervisor)
    assert flyte(home, "stop", "backend").stdout == "No backend runs.\n"
    (tmp_path / "go").touch()
    eventually(lambda: not lives(task), "the task's end without a control plane")
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0

    def told() -> dict[str, object]:
        shown: dict[str, object] = json.loads(flyte(home, "-o", "json", "get", "run", "one").stdout)
        return shown

    eventually(lambda: told()["phase"] == "succeeded", "the end of the run")
    assert told()["attempts"] == 1
    assert int((home / "backend/supervisor.lock").read_text()) == supervisor
