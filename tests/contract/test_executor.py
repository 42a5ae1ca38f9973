"""What every executor does, whoever it is: run on the process executor with a real supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import resource
import signal
import sys
import time

import pytest

from flyte.server.executors.port import (
    AttemptEnded,
    AttemptStarted,
    Connected,
    Launch,
    LogGrew,
)
from flyte.server.executors.process.executor import ProcessExecutor
from flyte.server.logs import log_path
from tests.contract.using_executor import DEAF, SLEEP, Used, acknowledge_all, eventually, is_gone, key


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
    grandchild = int(await used.first_line(k))
    await used.executor.stop(k, "test", 5)
    ended = await used.ended(k)
    assert ended.was_stopped
    assert ended.signal == signal.SIGTERM
    await eventually(lambda: is_gone(grandchild), "the end of the grandchild")


async def test_who_ignores_the_polite_signal_is_killed_after_the_grace_period(used: Used) -> None:
    k = await used.start(DEAF)
    await used.first_line(k)
    asked = time.monotonic()
    await used.executor.stop(k, "test", 0.5)
    ended = await used.ended(k)
    assert (ended.signal, ended.was_stopped) == (signal.SIGKILL, True)
    assert 0.4 < time.monotonic() - asked < 10


async def test_a_second_stop_with_less_grace_counts(used: Used) -> None:
    k = await used.start(DEAF)
    await used.first_line(k)
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
