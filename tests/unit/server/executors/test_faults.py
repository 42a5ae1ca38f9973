"""What a supervisor does where the machine fails it: no room, no descriptors, damaged files."""

from __future__ import annotations

import asyncio
import errno
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flyte.server.executors.port import AttemptEnded, AttemptKey, Launch
from flyte.server.executors.process import attempt as attempt_module
from flyte.server.executors.process import output as output_module
from flyte.server.executors.process import supervisor as supervisor_module
from flyte.server.executors.process.attempt import RunningAttempt, environment_of
from flyte.server.executors.process.journal import Journal
from flyte.server.executors.process.logfile import decode_record
from flyte.server.executors.process.output import Output
from flyte.server.executors.process.processes import ATTEMPT_VARIABLE, Usage, start_time
from flyte.server.executors.process.supervisor import Supervisor
from flyte.server.logs import log_path

DEADLINE = 20.0
KEY = AttemptKey("p", "development", "r1", "a0", 1, 1)
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def data() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(prefix="fx") as folder:
        yield pathlib.Path(folder)


def launch(data: pathlib.Path, code: str = SLEEP, **changes: Any) -> Launch:
    return Launch(
        key=KEY,
        argv=(sys.executable, "-c", code),
        env=changes.get("env", {}),
        output_prefix=str(data / "out"),
        expects_outputs=False,
        token="secret",
        interpreter=sys.executable,
    )


async def eventually(holds: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():
            await asyncio.sleep(0.01)
    assert holds(), what


def full(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


needs_proc = pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="this system has no /proc")


async def end(supervisor: Supervisor) -> None:
    """End what a supervisor without a reaper holds."""
    attempt = supervisor._running[KEY]
    os.killpg(attempt.pid, signal.SIGKILL)
    _, status, _ = os.wait4(attempt.pid, 0)
    attempt._ended(status, Usage())
    await eventually(lambda: KEY in supervisor._ended, "the report")


async def test_a_process_whose_number_cannot_be_noted_is_not_told_to_be_lost(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(data, data / "nobody.sock")
    monkeypatch.setattr(Journal, "keep_process", full)
    supervisor._start(launch(data))
    assert KEY not in supervisor._ended, "it runs: another one must not be started in its place"
    pid = supervisor._running[KEY].pid
    assert start_time(pid) is not None
    await end(supervisor)


async def test_what_is_told_to_be_not_started_does_not_run(data: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unforeseen(pid: int) -> None:
        raise RuntimeError("nobody thought of that")

    supervisor = Supervisor(data, data / "nobody.sock")
    monkeypatch.setattr(attempt_module, "start_time", unforeseen)
    supervisor._start(launch(data))
    assert "nobody thought of that" in supervisor._ended[KEY].lost_reason
    (pid,) = supervisor._reaper._leaders
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@needs_proc
async def test_what_cannot_be_adopted_is_ended_before_it_is_told_to_be_lost(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(data / "attempts")
    folder = journal.begin(launch(data))
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEP],
        start_new_session=True,
        env={**os.environ, ATTEMPT_VARIABLE: str(folder)},
    )
    try:
        started = start_time(process.pid)
        assert started is not None
        journal.keep_process(KEY, process.pid, started)
        monkeypatch.setattr(Output, "open", full)
        supervisor = Supervisor(data, data / "nobody.sock")
        await supervisor._adopt()
        assert "No space left" in supervisor._ended[KEY].lost_reason
        await eventually(lambda: start_time(process.pid) is None, "its end: a second one would run beside it")
    finally:
        process.kill()
        process.wait()


@needs_proc
async def test_a_start_that_fails_for_want_of_a_descriptor_leaves_none_open(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(data, data / "nobody.sock")
    really_open = os.open

    def scarce(path: Any, *args: Any, **kwargs: Any) -> int:
        if pathlib.Path(str(path)).name == "spool":
            raise OSError(errno.EMFILE, "Too many open files")
        return really_open(path, *args, **kwargs)

    before = open_files()
    monkeypatch.setattr(os, "open", scarce)
    supervisor._start(launch(data))
    monkeypatch.undo()
    assert "Too many open files" in supervisor._ended[KEY].lost_reason
    assert open_files() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ended.json", '{"at": 1, "of_a_later_version": true}'),
        ("ended.json", "{"),
        ("launch.json", '{"where": "of a later version"}'),
        ("pid.json", '{"number": 1}'),
        ("pid.json", '{"pid": "x", "start": 7}'),
        ("key.json", '{"project": "p"}'),
    ],
)
async def test_a_damaged_file_of_one_attempt_does_not_keep_a_supervisor_from_starting(
    data: pathlib.Path, file: str, text: str
) -> None:
    journal = Journal(data / "attempts")
    folder = journal.begin(launch(data))
    other = AttemptKey("p", "development", "r1", "other", 1, 1)
    journal.keep_end(AttemptEnded(key=other, at=7, exit_code=3))
    (folder / file).write_text(text)
    supervisor = Supervisor(data, data / "nobody.sock")
    await supervisor._adopt()
    assert supervisor._ended[other] == AttemptEnded(key=other, at=7, exit_code=3)
    if file == "key.json":
        assert not folder.exists(), "whose it was is not known"
    else:
        await eventually(lambda: KEY in supervisor._ended, "what is known of the damaged one")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
async def test_what_a_task_took_away_its_own_rights_to_is_removed_all_the_same(data: pathlib.Path) -> None:
    journal = Journal(data / "attempts")
    folder = journal.begin(launch(data))
    locked = folder / "work" / "locked"
    locked.mkdir()
    (locked / "file").touch()
    locked.chmod(0)
    gone = journal.set_aside(KEY)
    assert gone is not None
    # Its supervisor was killed before it removed the folder.
    assert Journal(data / "attempts").known() == []
    assert not gone.exists()


async def test_a_log_that_cannot_be_finished_does_not_change_how_the_task_ended(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(data, data / "nobody.sock")
    supervisor._start(launch(data, "pass"))
    before = open_files()

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Output, "_copy_lines", broken)
    attempt = supervisor._running[KEY]
    _, status, _ = os.wait4(attempt.pid, 0)
    attempt._ended(status, Usage())
    await eventually(lambda: KEY in supervisor._ended, "the report")
    assert (supervisor._ended[KEY].exit_code, supervisor._ended[KEY].lost_reason) == (0, "")
    assert open_files() < before, "its descriptors are closed"


def test_a_log_says_that_it_is_full_when_it_is(data: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_module, "LARGEST_LOG", 1000)
    folder, segment = data / "attempt", log_path(data, KEY)
    folder.mkdir()
    output = Output(folder, segment, lambda size: None)
    output.open()
    writer = output.writer()
    try:
        for _ in range(3):
            os.write(writer, b"x" * 999 + b"\n")
            assert output.take() == "more"
        records = [decode_record(line) for line in segment.read_bytes().splitlines(keepends=True)]
        told = [record.text for record in records if record is not None and record.origin == "S"]
        assert len(told) == 1, "the task still runs, and who follows its log is told why it stands still"
        assert "the log is full" in told[0]
    finally:
        os.close(writer)
        output.finish()
    last = decode_record(segment.read_bytes().splitlines(keepends=True)[-1])
    assert last is not None
    assert "2,000 further bytes" in last.text


def test_a_task_process_tells_its_stack_also_when_it_crashes_before_it_has_begun(data: pathlib.Path) -> None:
    assert environment_of(launch(data), data)["PYTHONFAULTHANDLER"] == "1"
    assert environment_of(launch(data, env={"PYTHONFAULTHANDLER": ""}), data)["PYTHONFAULTHANDLER"] == ""


async def test_an_order_that_nobody_foresaw_fails_its_attempt_and_not_the_supervisor(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("nobody thought of that")

    supervisor = Supervisor(data, data / "nobody.sock")
    monkeypatch.setattr(RunningAttempt, "start", unforeseen)
    supervisor._start(launch(data))
    assert "nobody thought of that" in supervisor._ended[KEY].lost_reason


class SlowReader:
    """A connection whose other side takes nothing until it does."""

    def __init__(self) -> None:
        self.is_congested = True
        self.sent: list[Any] = []

    def send(self, message: Any) -> None:
        self.sent.append(message)


async def test_news_about_logs_do_not_pile_up_before_a_control_plane_that_reads_nothing(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LOG_NEWS_SECONDS", 0.001)
    monkeypatch.setattr(supervisor_module, "CONGESTED_SECONDS", 0.001)
    looked = asyncio.Event()
    supervisor = Supervisor(data, data / "nobody.sock")
    slow = SlowReader()
    supervisor._channel = slow  # type: ignore[assignment]
    for size in range(1, 5):
        supervisor._grew(KEY, size)
        asyncio.get_running_loop().call_later(0.01, looked.set)
        await looked.wait()
        looked.clear()
    assert slow.sent == []
    slow.is_congested = False
    await eventually(lambda: slow.sent, "the newest size")
    assert [message.log_grew.size for message in slow.sent] == [4]
