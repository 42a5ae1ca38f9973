"""What every executor does, whoever it is: run on the process executor with a real supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flyte.server.executors.port import (
    AttemptEnded,
    AttemptKey,
    AttemptStarted,
    Connected,
    ExecutorEvent,
    Launch,
    LogGrew,
)
from flyte.server.executors.process import executor as executor_module
from flyte.server.executors.process import keeper as keeper_module
from flyte.server.executors.process.executor import ProcessExecutor
from flyte.server.executors.process.logfile import LogRecord, decode_record
from flyte.server.executors.process.processes import by_attempt, start_time
from flyte.server.logs import log_path

DEADLINE = 30.0


def key(action: str = "a0", attempt: int = 1, epoch: int = 1) -> AttemptKey:
    return AttemptKey("p", "development", "r1", action, attempt, epoch)


class Used:
    """An executor in use: everything it says is kept, and can be waited for."""

    def __init__(self, data: pathlib.Path) -> None:
        self.data = data
        self.executor = ProcessExecutor(data, sys.executable, 4)
        self.events: list[ExecutorEvent] = []
        self._news = asyncio.Event()

    async def open(self) -> Used:
        await self.executor.open()
        self._listener = asyncio.get_running_loop().create_task(self._listen())
        await self.until(lambda: self.of(Connected))
        return self

    async def _listen(self) -> None:
        async for event in self.executor.events():
            self.events.append(event)
            self._news.set()

    def of(self, kind: type[Any], of_key: AttemptKey | None = None) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind) and (of_key is None or e.key == of_key)]

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds that an event brings about."""
        async with asyncio.timeout(DEADLINE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def ended(self, of_key: AttemptKey) -> AttemptEnded:
        await self.until(lambda: self.of(AttemptEnded, of_key))
        return self.of(AttemptEnded, of_key)[0]

    async def start(self, code: str, of_key: AttemptKey | None = None, **changes: Any) -> AttemptKey:
        launch = Launch(
            key=of_key or key(),
            argv=(sys.executable, "-c", code),
            env=changes.pop("env", {}),
            output_prefix=str(self.data / "out" / (of_key or key()).action),
            expects_outputs=changes.pop("expects_outputs", False),
            token="secret-token",
            interpreter="",
        )
        await self.executor.start(launch)
        return launch.key

    def log(self, of_key: AttemptKey) -> list[LogRecord]:
        lines = log_path(self.data, of_key).read_bytes().splitlines(keepends=True)
        return [record for line in lines if (record := decode_record(line)) is not None]

    def text(self, of_key: AttemptKey) -> list[str]:
        return [record.text for record in self.log(of_key) if record.origin == "U"]

    def supervisor(self) -> int:
        return int((self.data / "supervisor.lock").read_text())

    async def close(self, *, keep_tasks: bool = False, grace: float = 2.0) -> None:
        await self.executor.close(keep_tasks=keep_tasks, grace_seconds=grace)
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)


async def eventually(holds: Callable[[], Any], what: str) -> None:
    """Wait for something that the outside world brings about."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        await asyncio.sleep(0.02)


def is_gone(pid: int) -> bool:
    return start_time(pid) is None


@pytest.fixture
def data() -> Any:
    with tempfile.TemporaryDirectory(prefix="fx") as folder:
        yield pathlib.Path(folder)


@pytest.fixture
async def used(data: pathlib.Path) -> AsyncIterator[Used]:
    opened = await Used(data).open()
    yield opened
    await acknowledge_all(opened)
    await opened.close(grace=0.2)


async def acknowledge_all(used: Used) -> None:
    for event in used.of(AttemptEnded):
        await used.executor.acknowledge(event.key)


SLEEP = "import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {SLEEP}"


async def test_a_program_runs_and_its_end_is_told_with_what_it_used(used: Used) -> None:
    k = await used.start("print('hello'); x = bytearray(60_000_000); sum(range(10**6))")
    ended = await used.ended(k)
    assert used.of(AttemptStarted, k)
    assert (ended.exit_code, ended.signal, ended.lost_reason, ended.was_stopped) == (0, 0, "", False)
    assert ended.has_outputs, "who promises nothing and ends well has left what was to be left"
    assert ended.peak_memory_bytes > 60_000_000
    assert ended.cpu_seconds > 0
    assert used.text(k) == ["hello"]


async def test_exit_codes_signals_and_outputs_are_told_apart(used: Used) -> None:
    three = await used.start("import os; os._exit(3)", key("three"))
    killed = await used.start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", key("killed"))
    nothing = await used.start("pass", key("nothing"), expects_outputs=True)
    out = used.data / "out" / "wrote"
    wrote = await used.start(
        f"import pathlib; p = pathlib.Path({str(out)!r}); p.mkdir(parents=True); (p / 'outputs.pb').write_bytes(b'')",
        key("wrote"),
        expects_outputs=True,
    )
    assert (await used.ended(three)).exit_code == 3
    assert not (await used.ended(three)).has_outputs
    assert ((await used.ended(killed)).signal, (await used.ended(killed)).exit_code) == (signal.SIGKILL, None)
    assert not (await used.ended(nothing)).has_outputs
    assert (await used.ended(wrote)).has_outputs


async def test_the_same_attempt_again_changes_nothing_also_after_its_end(used: Used) -> None:
    mark = used.data / "mark"
    code = f"open({str(mark)!r}, 'a').write('x')"
    k = await used.start(code)
    await used.start(code)
    await used.ended(k)
    await used.start(code)
    await used.executor.acknowledge(k)
    await used.start(code)
    other = await used.start("pass", key("other"))  # orders are obeyed in turn: once this ran, the others were seen
    await used.ended(other)
    assert mark.read_text() == "x"


async def test_an_attempt_that_was_stopped_first_is_never_started(used: Used) -> None:
    mark = used.data / "mark"
    await used.executor.stop(key("late"), "aborted while it was prepared", 1)
    await used.start(f"open({str(mark)!r}, 'a').write('x')", key("late"))
    await used.ended(await used.start("pass", key("other")))
    assert not mark.exists()


async def test_stopping_ends_the_whole_group_with_its_grandchildren(used: Used) -> None:
    code = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(p.pid, flush=True)\ntime.sleep(600)"
    )
    k = await used.start(code)
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the grandchild's number")
    grandchild = int(used.text(k)[0])
    await used.executor.stop(k, "test", 5)
    ended = await used.ended(k)
    assert ended.was_stopped
    assert ended.signal == signal.SIGTERM
    await eventually(lambda: is_gone(grandchild), "the end of the grandchild")


async def test_who_ignores_the_polite_signal_is_killed_after_the_grace_period(used: Used) -> None:
    k = await used.start(DEAF)
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the program's start")
    asked = time.monotonic()
    await used.executor.stop(k, "test", 0.5)
    ended = await used.ended(k)
    assert (ended.signal, ended.was_stopped) == (signal.SIGKILL, True)
    assert 0.4 < time.monotonic() - asked < 10


async def test_a_second_stop_with_less_grace_counts(used: Used) -> None:
    k = await used.start(DEAF)
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the program's start")
    await used.executor.stop(k, "test", 500)
    await used.executor.stop(k, "test", 0.1)
    assert (await used.ended(k)).signal == signal.SIGKILL


async def test_a_grandchild_in_a_session_of_its_own_does_not_outlive_its_attempt(used: Used) -> None:
    code = (
        "import subprocess, sys\n"
        'inner = \'import subprocess, sys, time; p = subprocess.Popen([sys.executable, "-c", "import time; '
        "time.sleep(600)\"], start_new_session=True); print(p.pid, flush=True); time.sleep(600)'\n"
        "p = subprocess.Popen([sys.executable, '-c', inner], start_new_session=True, stdout=subprocess.PIPE)\n"
        "print(p.pid); print(int(p.stdout.readline()))"
    )
    k = await used.start(code)
    ended = await used.ended(k)
    assert ended.exit_code == 0
    pids = [int(line) for line in used.text(k)]
    assert len(pids) == 2
    await eventually(lambda: all(map(is_gone, pids)), "the end of what left the group")


async def test_a_program_that_cannot_be_started_ends_with_a_reason(used: Used) -> None:
    for action, argv, env in (
        ("absent", ("/nowhere/at/all",), {}),
        ("nul", (sys.executable, "-c", "a\0b"), {}),
        ("name", (sys.executable, "-c", "pass"), {"A=B": "c"}),
        ("empty", (), {}),
    ):
        k = key(action)
        await used.executor.start(
            Launch(key=k, argv=argv, env=env, output_prefix="/nowhere", expects_outputs=True, token="", interpreter="")
        )
        ended = await used.ended(k)
        assert "could not be started" in ended.lost_reason, action
        assert [record.origin for record in used.log(k)] == ["S"], "the log says why too"
    assert (await used.ended(await used.start("pass", key("after")))).exit_code == 0


async def test_log_lines_come_whole_and_in_order_from_both_streams(used: Used) -> None:
    code = (
        "import sys\n"
        "for i in range(500):\n"
        "    print('out', i); print('err', i, file=sys.stderr)\n"
        "print('x' * 40_000)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe bytes\\n'); sys.stdout.write('no end')"
    )
    k = await used.start(code)
    await used.ended(k)
    lines = used.text(k)
    assert lines[:1000] == [text for i in range(500) for text in (f"out {i}", f"err {i}")]
    assert "".join(lines[1000:1003]) == "x" * 40_000
    assert lines[-1] == "no end"
    times = [record.at for record in used.log(k)]
    assert times == sorted(times)


async def test_a_growing_log_is_told_of_while_the_program_runs(used: Used) -> None:
    k = await used.start(f"print('now', flush=True); {SLEEP}")
    await used.until(lambda: used.of(LogGrew, k))
    assert used.of(LogGrew, k)[-1].size == log_path(used.data, k).stat().st_size
    assert used.text(k) == ["now"]
    assert not used.of(AttemptEnded, k)


async def test_a_log_that_is_too_large_is_cut_and_says_so(used: Used, monkeypatch: pytest.MonkeyPatch) -> None:
    k = await used.start("import os\nfor _ in range(1100): os.write(1, b'y' * 65535 + b'\\n')")
    ended = await used.ended(k)
    assert ended.exit_code == 0
    last = used.log(k)[-1]
    assert last.origin == "S"
    assert "further bytes were left out" in last.text
    assert log_path(used.data, k).stat().st_size < 66 * 1024 * 1024


async def test_the_environment_is_clean_and_the_token_is_in_a_private_file(
    data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_BACKEND", "1")
    used = await Used(data).open()
    code = (
        "import json, os, pathlib, stat\n"
        "p = pathlib.Path(os.environ['FLYTE_ATTEMPT_TOKEN_FILE'])\n"
        "mode = stat.S_IMODE(p.stat().st_mode)\n"
        "print(json.dumps([dict(os.environ), p.read_text(), mode, os.getcwd(), os.listdir()]))"
    )
    k = await used.start(code, env={"MINE": "ä", "PATH": "/mine"})
    await used.ended(k)
    env, token, mode, cwd, files = json.loads(used.text(k)[0])
    assert "SECRET_OF_THE_BACKEND" not in env
    assert env["MINE"] == "ä"
    assert env["PATH"] == f"{pathlib.Path(sys.executable).parent}:/mine"
    assert "secret-token" not in json.dumps(env)
    assert (token, mode) == ("secret-token", 0o600)
    assert files == []
    assert pathlib.Path(cwd).is_relative_to(data)
    await used.executor.acknowledge(k)
    await eventually(lambda: not pathlib.Path(cwd).exists(), "the removal of the working directory")
    await used.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the limits of another process")
async def test_a_low_limit_of_open_files_is_that_of_a_task_and_not_of_all_together(data: pathlib.Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 60, before[1]))
    low = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        used = await Used(data).open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    code = (
        "import resource, time\n"
        f"while resource.getrlimit(resource.RLIMIT_NOFILE) != ({low}, {before[1]}): time.sleep(0.01)\n"
        f"print('limited', flush=True); {SLEEP}"
    )
    keys = [await used.start(code if n == 0 else SLEEP, key(f"n{n}")) for n in range(30)]
    await used.until(lambda: len(used.of(AttemptStarted)) + len(used.of(AttemptEnded)) == len(keys))
    assert used.of(AttemptEnded) == []
    await eventually(lambda: used.text(keys[0]) == ["limited"], "the limit of a task")
    for k in keys:
        await used.executor.stop(k, "test", 0)
    await used.until(lambda: len(used.of(AttemptEnded)) == len(keys))
    await acknowledge_all(used)
    await used.close()


async def test_signals_are_not_ignored_in_a_task(used: Used) -> None:
    names = ("SIGINT", "SIGHUP", "SIGTERM", "SIGPIPE", "SIGCHLD")
    k = await used.start(f"import signal\nfor n in {names}: print(n, signal.getsignal(getattr(signal, n)))")
    await used.ended(k)
    ignored = [line.split()[0] for line in used.text(k) if "SIG_IGN" in line or line.endswith(" 1")]
    assert ignored in ([], ["SIGPIPE"])  # Python itself ignores SIGPIPE


async def test_an_end_is_told_again_until_it_is_acknowledged(data: pathlib.Path) -> None:
    first = await Used(data).open()
    k = await first.start("import os; os._exit(7)")
    await first.ended(k)
    await first.close(keep_tasks=True)

    second = await Used(data).open()
    assert second.of(Connected)[0].known == (k,)
    assert (await second.ended(k)).exit_code == 7
    await second.executor.acknowledge(k)
    await second.ended(await second.start("pass", key("other")))  # the acknowledgement has been taken
    await second.close(keep_tasks=True)

    third = await Used(data).open()
    assert k not in third.of(Connected)[0].known
    await acknowledge_all(third)
    await third.close()


async def test_closing_with_keep_tasks_leaves_them_running_and_without_ends_them(data: pathlib.Path) -> None:
    first = await Used(data).open()
    k = await first.start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    await first.until(lambda: first.of(AttemptStarted, k))
    await eventually(lambda: log_path(data, k).exists() and first.text(k), "the program's number")
    pid = int(first.text(k)[0])
    supervisor = first.supervisor()
    await first.close(keep_tasks=True)
    assert not is_gone(pid)
    assert not is_gone(supervisor)

    second = await Used(data).open()
    assert second.of(Connected)[0].known == (k,)
    assert second.supervisor() == supervisor
    assert second.executor.free(1) == 3

    async def record() -> None:
        ended = await second.ended(k)
        assert ended.was_stopped
        await second.executor.acknowledge(k)

    recording = asyncio.get_running_loop().create_task(record())
    await second.close()
    await recording
    assert is_gone(pid)
    await eventually(lambda: is_gone(supervisor), "the supervisor's end")
    assert second.executor.free(0) == 0


async def test_closing_right_after_opening_leaves_no_supervisor(data: pathlib.Path) -> None:
    executor = ProcessExecutor(data, sys.executable, 4)
    await executor.open()
    for _ in range(1000):
        if (data / "supervisor.lock").exists():
            break
        await asyncio.sleep(0)
    await executor.close(keep_tasks=False, grace_seconds=1)
    await eventually(lambda: not executor._process.lives(), "the supervisor's end")


async def kill_supervisor(used: Used) -> None:
    """Kill the supervisor and wait for its successor."""
    before = len(used.of(Connected))
    os.kill(used.supervisor(), signal.SIGKILL)
    await used.until(lambda: len(used.of(Connected)) > before)


async def test_the_supervisor_is_a_session_of_its_own(used: Used) -> None:
    pid = used.supervisor()
    assert os.getsid(pid) == pid != os.getsid(0)


async def test_a_successor_adopts_what_lives_and_loses_no_line(used: Used) -> None:
    out = used.data / "out" / "a0"
    code = (
        "import pathlib, time\n"
        "for i in range(10_000):\n    print('line', i)\n    if i % 100 == 0: time.sleep(0.02)\n"
        f"p = pathlib.Path({str(out)!r}); p.mkdir(parents=True); (p / 'outputs.pb').write_bytes(b'')"
    )
    k = await used.start(code, expects_outputs=True)
    for _ in range(3):
        await asyncio.sleep(0.1)  # somewhere in the middle, wherever that is
        await kill_supervisor(used)
        assert used.of(Connected)[-1].known == (k,)
    ended = await used.ended(k)
    assert (ended.exit_code, ended.has_outputs, ended.lost_reason) == (None, True, "")
    assert used.text(k) == [f"line {i}" for i in range(10_000)]


async def test_what_a_task_printed_before_it_ended_unwatched_is_not_lost(used: Used) -> None:
    go = used.data / "go"
    code = (
        "import os, pathlib, time\n"
        "print('ready', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.005)\n"
        "for i in range(1000): print('late', i)\n"
        "os._exit(0)"
    )
    k = await used.start(code)
    await used.until(lambda: used.of(AttemptStarted, k))
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the program's start")
    before = len(used.of(Connected))
    pid = next(pid for pid, folder in by_attempt() if str(used.data) in folder)
    os.kill(used.supervisor(), signal.SIGKILL)
    go.touch()
    await eventually(lambda: is_gone(pid), "the program's end")
    await used.until(lambda: len(used.of(Connected)) > before)
    await used.ended(k)
    assert used.text(k) == ["ready", *(f"late {i}" for i in range(1000))]


async def test_a_report_survives_the_supervisor(used: Used) -> None:
    k = await used.start("import os; os._exit(7)")
    assert (await used.ended(k)).exit_code == 7
    await kill_supervisor(used)
    await used.until(lambda: len(used.of(AttemptEnded, k)) == 2)
    first, second = used.of(AttemptEnded, k)
    assert first == second


async def test_a_successor_ends_what_it_adopted_with_everything_around_it(used: Used) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(os.getpid(), p.pid, flush=True); time.sleep(600)"
    )
    k = await used.start(code)
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the numbers")
    pids = [int(word) for word in used.text(k)[0].split()]
    await kill_supervisor(used)
    assert not any(map(is_gone, pids))
    await used.executor.stop(k, "test", 1)
    ended = await used.ended(k)
    assert ended.was_stopped
    await eventually(lambda: all(map(is_gone, pids)), "the end of group and grandchild")


async def test_a_process_that_was_never_noted_is_found_by_its_environment(used: Used) -> None:
    k = await used.start(f"print('once', flush=True); {SLEEP}")
    await used.until(lambda: used.of(AttemptStarted, k))
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the program's start")
    # As if the supervisor had been killed between starting the process and noting its number.
    noted = next((used.data / "attempts").glob("*/pid.json"))
    pid = json.loads(noted.read_text())["pid"]
    noted.unlink()
    await kill_supervisor(used)
    assert used.of(Connected)[-1].known == (k,)
    assert json.loads(noted.read_text())["pid"] == pid
    await used.executor.stop(k, "test", 1)
    await used.ended(k)
    assert used.text(k) == ["once"]
    assert is_gone(pid)


async def test_an_attempt_that_was_never_started_is_not_known_to_a_successor(used: Used) -> None:
    k = await used.start(SLEEP)
    await used.until(lambda: used.of(AttemptStarted, k))
    folder = next((used.data / "attempts").iterdir())
    half = folder.with_name("0" * 24 + "-1-1")
    half.mkdir()
    (half / "key.json").write_text(
        json.dumps({"project": "p", "domain": "d", "run": "r", "action": "x", "attempt": 1, "epoch": 1})
    )
    await kill_supervisor(used)
    assert used.of(Connected)[-1].known == (k,)
    assert not half.exists()


async def test_a_number_that_belongs_to_somebody_else_by_now_is_left_alone(used: Used) -> None:
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEP, start_new_session=True)
    try:
        k = await used.start(SLEEP)
        await used.until(lambda: used.of(AttemptStarted, k))
        noted = next((used.data / "attempts").glob("*/pid.json"))
        own = json.loads(noted.read_text())
        before = len(used.of(Connected))
        os.kill(used.supervisor(), signal.SIGKILL)
        os.killpg(own["pid"], signal.SIGKILL)
        # Numbers are given out again later, never within one tick of the clock that starts are told in.
        noted.write_text(json.dumps({"pid": bystander.pid, "start": str(int(own["start"]) - 1000)}))
        await used.until(lambda: len(used.of(Connected)) > before)
        ended = await used.ended(k)
        assert (ended.exit_code, ended.signal) == (None, 0)
        await used.executor.stop(k, "test", 0)
        await used.ended(await used.start("pass", key("other")))
        assert bystander.returncode is None
        assert not is_gone(bystander.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            bystander.kill()
        await bystander.wait()


async def test_what_outlived_its_attempt_unwatched_is_ended_by_the_successor(used: Used) -> None:
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(p.pid, flush=True); import time; time.sleep(600)"
    )
    k = await used.start(code)
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the grandchild's number")
    grandchild = int(used.text(k)[0])
    pid = json.loads(next((used.data / "attempts").glob("*/pid.json")).read_text())["pid"]
    os.kill(used.supervisor(), signal.SIGKILL)
    os.killpg(pid, signal.SIGKILL)
    await used.ended(k)
    await eventually(lambda: is_gone(grandchild), "the end of the grandchild")


async def test_an_idle_supervisor_costs_nothing(used: Used) -> None:
    k = await used.start(SLEEP)
    await used.until(lambda: used.of(AttemptStarted, k))

    def switches() -> int:
        status = pathlib.Path(f"/proc/{used.supervisor()}/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)

    if not pathlib.Path("/proc/self/status").exists():
        pytest.skip("this system does not count context switches")
    await asyncio.sleep(0.3)  # until the start has settled
    before = switches()
    await asyncio.sleep(1.5)
    assert switches() - before <= 2, "it wakes up without a reason"


async def test_a_broken_frame_does_not_end_the_supervisor(used: Used) -> None:
    k = await used.start(SLEEP)
    await used.until(lambda: used.of(AttemptStarted, k))
    pid = used.supervisor()
    before = len(used.of(Connected))
    channel = used.executor._channel
    assert channel is not None
    channel._writer.write(b"\x00\x00\x00\x04\xff\xff\xff\xff")
    await used.until(lambda: len(used.of(Connected)) > before)
    assert used.supervisor() == pid
    assert used.of(Connected)[-1].known == (k,)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every patience of a control plane with its supervisor is short."""
    monkeypatch.setattr(keeper_module, "PING_SECONDS", 0.2)
    monkeypatch.setattr(keeper_module, "ARRIVAL_SECONDS", 3.0)
    monkeypatch.setattr(executor_module, "_ARRIVAL_SECONDS", 3.0)


@pytest.mark.usefixtures("impatient")
async def test_a_supervisor_that_hangs_is_replaced_and_nothing_runs_twice(
    used: Used, caplog: pytest.LogCaptureFixture
) -> None:
    go, out = used.data / "go", used.data / "out" / "a0"
    code = (
        "import os, pathlib, time\n"
        "print('begin', os.getpid(), flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        f"print('end'); p = pathlib.Path({str(out)!r}); p.mkdir(parents=True); (p / 'outputs.pb').write_bytes(b'')"
    )
    k = await used.start(code, expects_outputs=True)
    await eventually(lambda: log_path(used.data, k).exists() and used.text(k), "the program's start")
    hung = used.supervisor()
    os.kill(hung, signal.SIGSTOP)
    await used.start("print('late')", key("late"))  # an order that it never reads
    await used.until(lambda: len(used.of(Connected)) == 2)
    assert is_gone(hung)
    assert used.of(Connected)[-1].known == (k,), "what lives is adopted, what was never read is not there"
    assert any(f"supervisor {hung} has not answered" in record.getMessage() for record in caplog.records)
    go.touch()
    ended = await used.ended(k)
    assert (ended.has_outputs, ended.lost_reason) == (True, "")
    assert [text.split()[0] for text in used.text(k)] == ["begin", "end"]
    assert (await used.ended(await used.start("pass", key("after")))).exit_code == 0


@pytest.mark.usefixtures("impatient")
async def test_a_supervisor_that_hung_before_the_control_plane_came_is_replaced(data: pathlib.Path) -> None:
    first = await Used(data).open()
    k = await first.start(SLEEP)
    await first.until(lambda: first.of(AttemptStarted, k))
    hung = first.supervisor()
    os.kill(hung, signal.SIGSTOP)
    await first.close(keep_tasks=True)

    second = await Used(data).open()
    assert is_gone(hung)
    assert second.of(Connected)[0].known == (k,)
    await second.executor.stop(k, "test", 0)
    await second.ended(k)
    await acknowledge_all(second)
    await second.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["hangs", "is dead"])
async def test_closing_ends_what_runs_also_when_the_supervisor_does_not(data: pathlib.Path, how: str) -> None:
    used = await Used(data).open()
    k = await used.start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    await eventually(lambda: log_path(data, k).exists() and used.text(k), "the program's number")
    pid, supervisor = int(used.text(k)[0]), used.supervisor()
    os.kill(supervisor, signal.SIGSTOP if how == "hangs" else signal.SIGKILL)
    await used.close(grace=0.1)
    assert is_gone(pid), "the task"
    assert is_gone(supervisor)
    await eventually(lambda: not used.executor._process.lives(), "the end of its successor")


async def test_a_supervisor_that_cannot_start_is_told_of_once_and_tried_again(
    data: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / "attempts").write_text("a file where a folder was to be")
    used = Used(data)
    opening = asyncio.get_running_loop().create_task(used.open())

    def tries() -> int:
        log = data / "supervisor.log"
        return log.read_text().count("cannot be used") if log.exists() else 0

    await eventually(lambda: tries() >= 3, "three attempts to start one")
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "no task is started" in errors[0]
    assert str(data / "attempts") in errors[0]
    assert "Traceback" not in (data / "supervisor.log").read_text()
    (data / "attempts").unlink()
    await opening
    assert (await used.ended(await used.start("pass"))).exit_code == 0
    await acknowledge_all(used)
    await used.close()


async def test_a_supervisor_whose_data_folder_is_gone_goes_too() -> None:
    with tempfile.TemporaryDirectory(prefix="fx") as folder:
        used = await Used(pathlib.Path(folder)).open()
        pid = used.supervisor()
        await used.close(keep_tasks=True)
        assert not is_gone(pid)
    await eventually(lambda: is_gone(pid), "the supervisor's end")
