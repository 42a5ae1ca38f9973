"""Finding, starting and stopping this machine's backend, against a stand-in for the control plane."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flyte.client import init, local_backend
from flyte.client.local_backend import BackendRecord
from flyte.config.settings import Config
from flyte.errors import BackendError, BackendUnreachable

STAND_IN = """
import fcntl, http.server, json, os, pathlib, signal, sys
data, seconds_without_record = pathlib.Path(sys.argv[2]), float(sys.argv[3])
lock = open(data / "lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        silent = (data / "silent").exists()
        self.send_response(503 if silent else 200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass

def stop(*args):
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
if seconds_without_record:
    print("begun", flush=True)
    sys.stdin.readline()
url = f"http://127.0.0.1:{server.server_port}"
record = {"pid": os.getpid(), "url": url, "version": "1", "data": str(data), "started_at": ""}
(data / "record.tmp").write_text(json.dumps(record))
(data / "record.tmp").replace(data / "backend.json")
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def data(flyte_home: pathlib.Path) -> pathlib.Path:
    folder = flyte_home / "backend"
    folder.mkdir()
    return folder


class StandIn:
    """A process that looks like a control plane."""

    def __init__(self, data: pathlib.Path, *, begins: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STAND_IN, "flyte.server", str(data), "1" if begins else "0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == ("begun" if begins else "ready")

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def running(data: pathlib.Path) -> Iterator[StandIn]:
    made = StandIn(data)
    yield made
    made.end()


def test_a_backend_that_runs_and_does_not_answer_is_no_absent_one(
    data: pathlib.Path, running: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "silent").touch()
    monkeypatch.setattr(local_backend, "ANSWER_SECONDS", 0.1)
    with pytest.raises(BackendUnreachable, match="does not answer") as caught:
        local_backend.find(data)
    assert f"kill -9 {running.process.pid}" in str(caught.value.hint)
    with pytest.raises(BackendUnreachable, match="does not answer"):
        local_backend.start_detached(data)


def test_a_backend_that_another_command_begins_to_start_is_taken(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the lock, and no record yet."""
    begun = StandIn(data, begins=True)

    def refused(_folder: pathlib.Path, _command: list[str]) -> BackendRecord:
        begun.go_on()
        raise BackendError("Another backend uses the data folder")

    monkeypatch.setattr(local_backend, "_start", refused)
    try:
        record, started = local_backend.start_detached(data)
        assert (record.pid, started) == (begun.process.pid, False)
    finally:
        begun.end()


def test_a_default_port_that_is_taken_meanwhile_is_replaced_by_a_free_one(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setattr(local_backend, "DEFAULT_PORT", probe.getsockname()[1])
    asked, taken = [], socket.socket()

    def start(_folder: pathlib.Path, command: list[str]) -> BackendRecord:
        port = int(command[command.index("--port") + 1])
        asked.append(port)
        if port:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            raise BackendError("Port taken")
        return BackendRecord(1, "http://127.0.0.1:1", "1", str(data), "")

    monkeypatch.setattr(local_backend, "_start", start)
    with taken:
        assert local_backend.start_detached(data)[1] is True
    assert asked == [local_backend.DEFAULT_PORT, 0]


def test_a_backend_that_does_not_start_is_tried_once(data: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def broken(_folder: pathlib.Path, command: list[str]) -> BackendRecord:
        tries.append(command)
        raise BackendError("broken")

    monkeypatch.setattr(local_backend, "_start", broken)
    with pytest.raises(BackendError, match="broken"):
        local_backend.start_detached(data, port=0)
    assert len(tries) == 1


def test_stopping_leaves_word_of_grace_and_tasks_before_the_signal(data: pathlib.Path, running: StandIn) -> None:
    assert local_backend.stop(data, grace_seconds=2.5, keep_tasks=True) is True
    running.process.communicate()
    said = json.loads((data / "stop.json").read_text())
    assert said == {"pid": running.process.pid, "grace_seconds": 2.5, "keep_tasks": True}
    assert local_backend.stop(data) is False


def test_stopping_waits_for_one_that_is_being_stopped_already(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draining = StandIn(data, begins=True)
    monkeypatch.setattr(local_backend.time, "sleep", lambda _seconds: draining.end())
    assert local_backend.stop(data, grace_seconds=10) is True
    assert draining.process.returncode is not None


def test_a_supervisor_is_no_control_plane(data: pathlib.Path) -> None:
    name = "flyte.server.executors.process.supervisor"
    with subprocess.Popen([sys.executable, "-c", "input()", name], stdin=subprocess.PIPE) as supervisor:
        assert not local_backend.runs(BackendRecord(supervisor.pid, "http://127.0.0.1:9", "1", str(data), ""))
        supervisor.communicate(b"\n")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:30080", ""),
        ("http://127.0.0.1:41000", " (port 30080 belongs to another program)"),
        ("http://127.0.0.1:3008", " (port 30080 belongs to another program)"),
    ],
)
def test_the_line_about_a_start_says_why_another_port_was_taken(
    flyte_home: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    said: str,
) -> None:
    record = BackendRecord(os.getpid(), url, init.sdk_version(), str(flyte_home), "")
    monkeypatch.setattr(local_backend, "start_detached", lambda: (record, True))
    init.use_local_backend(Config(), start=True)
    assert capsys.readouterr().err == f"Started the local backend at {url}{said}\n"


def test_a_home_that_cannot_be_made_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLYTE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(BackendError, match=r"home/backend cannot be made: Not a directory\. Set FLYTE_HOME"):
        local_backend.start_detached()
