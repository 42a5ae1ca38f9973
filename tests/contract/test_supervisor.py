"""What the process executor's supervisor survives, and what its successor makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile

import pytest

from flyte.server.executors.port import (
    AttemptEnded,
    AttemptStarted,
    Connected,
)
from flyte.server.executors.process import executor as executor_module
from flyte.server.executors.process import keeper as keeper_module
from flyte.server.executors.process.processes import by_attempt
from flyte.server.logs import log_path
from tests.contract.using_executor import SLEEP, Used, acknowledge_all, eventually, is_gone, key


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
    await used.first_line(k)
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
    pids = [int(word) for word in (await used.first_line(k)).split()]
    await kill_supervisor(used)
    assert not any(map(is_gone, pids))
    await used.executor.stop(k, "test", 1)
    ended = await used.ended(k)
    assert ended.was_stopped
    await eventually(lambda: all(map(is_gone, pids)), "the end of group and grandchild")


async def test_a_process_that_was_never_noted_is_found_by_its_environment(used: Used) -> None:
    k = await used.start(f"print('once', flush=True); {SLEEP}")
    await used.until(lambda: used.of(AttemptStarted, k))
    await used.first_line(k)
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
    grandchild = int(await used.first_line(k))
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
    await used.first_line(k)
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
