"""This machine's own backend: found, started and stopped without any configuration."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from flyte.client import local_backend
from flyte.server.executors.process.processes import start_time

HELLO = """
import flyte

env = flyte.TaskEnvironment(name="hello_env")


@env.task
def main(name: str = "World") -> str:
    return f"Hello, {name}!"
"""


@pytest.fixture
def home(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/hello.py").write_text(HELLO)
    yield tmp_path / "home"
    flyte(tmp_path / "home", "stop", "backend", "--grace", "1")


def start(home: pathlib.Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flyte.cli.main", *args],
        cwd=home.parent / "work", env={**os.environ, "FLYTE_HOME": str(home), "HOME": str(home)}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def flyte(home: pathlib.Path, *args: str) -> subprocess.CompletedProcess[str]:
    process = start(home, *args)
    out, err = process.communicate(timeout=90)
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def lives(pid: int) -> bool:
    return start_time(pid) is not None


def supervisor_pid(home: pathlib.Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        text = (home / "backend/supervisor.lock").read_text()
        if text:
            return int(text)
        time.sleep(0.02)
    raise AssertionError("no supervisor was started")


def test_the_first_run_starts_the_backend_says_so_and_prints_only_the_result(home: pathlib.Path) -> None:
    first = flyte(home, "run", "hello.py", "main", "--name", "you")
    assert (first.returncode, first.stdout) == (0, "'Hello, you!'\n")
    assert first.stderr.splitlines()[0].startswith("Started the local backend at http://127.0.0.1:")
    second = flyte(home, "run", "hello.py", "main")
    assert second.stdout == "'Hello, World!'\n"
    assert "Started" not in second.stderr


def test_two_runs_at_once_start_one_backend(home: pathlib.Path) -> None:
    both = [start(home, "run", "hello.py", "main") for _ in range(2)]
    outputs = [process.communicate(timeout=90) for process in both]
    assert [out for out, _ in outputs] == ["'Hello, World!'\n"] * 2
    assert sum("Started the local backend" in err for _, err in outputs) == 1


def test_stopping_ends_backend_and_supervisor(home: pathlib.Path) -> None:
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0
    record = local_backend.read_record(home / "backend")
    assert record is not None
    supervisor = supervisor_pid(home)
    assert lives(record.pid) and lives(supervisor)
    assert flyte(home, "stop", "backend").stdout == "Stopped.\n"
    assert not lives(record.pid)
    deadline = time.monotonic() + 10
    while lives(supervisor) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(supervisor)
    assert not (home / "backend/backend.json").exists()
    assert flyte(home, "stop", "backend").stdout == "No backend runs.\n"


def test_stopping_right_after_the_start_leaves_nothing_behind(home: pathlib.Path) -> None:
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0
    assert flyte(home, "stop", "backend").stdout == "Stopped.\n"
    supervisor = supervisor_pid(home)
    deadline = time.monotonic() + 10
    while lives(supervisor) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(supervisor)


def test_reading_commands_do_not_start_a_backend(home: pathlib.Path) -> None:
    listed = flyte(home, "get", "run")
    assert listed.returncode == 5
    assert "flyte start backend --detach" in listed.stderr
    assert not (home / "backend/backend.json").exists()


def test_what_a_backend_knew_it_knows_after_a_restart(home: pathlib.Path) -> None:
    name = "kept-over-a-restart"
    assert flyte(home, "run", "--name", name, "hello.py", "main").returncode == 0
    assert flyte(home, "stop", "backend").returncode == 0
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0
    told = flyte(home, "-o", "json", "get", "run")
    assert [run["name"] for run in json.loads(told.stdout)] == [name]


def test_the_data_folder_belongs_to_its_owner_alone(home: pathlib.Path) -> None:
    assert flyte(home, "start", "backend", "--detach", "--port", "0").returncode == 0
    assert (home / "backend").stat().st_mode & 0o077 == 0
    assert (home / "backend/blobs").stat().st_mode & 0o077 == 0
