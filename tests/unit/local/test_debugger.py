"""`breakpoint()` in tasks of local runs, on a terminal of their own."""

from __future__ import annotations

import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from flyte.runtime.local import history

PROGRAM = """
import asyncio
import time
import flyte

env = flyte.TaskEnvironment(name="debugged")

@env.task
def child(x: int) -> int:
    secret = x * 111
    breakpoint()
    return secret + 1

@env.task
async def child_async(x: int) -> int:
    secret = x * 111
    await asyncio.sleep(0)
    breakpoint()
    return secret + 1

@env.task
def main(x: int) -> int:
    return child(x)

@env.task
async def main_async(x: int) -> int:
    return await child_async(x)

@env.task
def asks() -> str:
    return input("who? ")

@env.task
def goes_on() -> None:
    print("it goes on", flush=True)
    while True:
        time.sleep(0.01)
"""

CALL = "import sys\nprint('RESULT', flyte.run({task}))\n"


class Terminal:
    """A program on a terminal of its own, and what it wrote so far."""

    def __init__(self, script: pathlib.Path, **variables: str) -> None:
        ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "dumb", **variables}
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=theirs, stdout=theirs, stderr=theirs, env=env, close_fds=True
        )
        os.close(theirs)
        self._ours = ours
        self.seen = ""
        self._read = 0

    def until(self, text: str, seconds: float = 60) -> None:
        """Read until a text comes, after the last one that was waited for."""
        deadline = time.monotonic() + seconds
        while (found := self.seen.find(text, self._read)) < 0:
            ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{text!r} did not come; there came {self.seen!r}"
            try:
                part = os.read(self._ours, 4096).decode()
            except OSError:
                part = ""
            assert part, f"{text!r} did not come before the end; there came {self.seen!r}"
            self.seen += part
        self._read = found + len(text)

    def type(self, line: str) -> None:
        """A line of input."""
        os.write(self._ours, f"{line}\n".encode())

    def close(self) -> int:
        """Wait for the end."""
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            os.close(self._ours)


def _script(folder: pathlib.Path, call: str) -> pathlib.Path:
    script = folder / "debugged.py"
    script.write_text(PROGRAM + CALL.format(task=call))
    return script


@pytest.mark.parametrize("call", ["main, 2", "main_async, 2", "child, 2", "child_async, 2"])
@pytest.mark.parametrize("variables", [{}, {"PYTHONBREAKPOINT": "pdb.set_trace"}])
def test_a_breakpoint_stops_in_the_users_frame_and_goes_on(
    tmp_path: pathlib.Path, call: str, variables: dict[str, str]
) -> None:
    terminal = Terminal(_script(tmp_path, call), **variables)
    terminal.until("(Pdb) ")
    terminal.type("p secret, __name__")
    terminal.until("(222, '__main__')")
    terminal.until("(Pdb) ")
    terminal.type("secret = 1000")
    terminal.until("(Pdb) ")
    terminal.type("c")
    terminal.until("RESULT 1001")
    assert terminal.close() == 0


def test_quitting_the_debugger_ends_the_program_without_further_attempts(tmp_path: pathlib.Path) -> None:
    script = _script(tmp_path, "main.override(retries=3), 2")
    terminal = Terminal(script)
    terminal.until("(Pdb) ")
    terminal.type("q")
    assert terminal.close() != 0


def test_a_task_can_read_from_the_terminal(tmp_path: pathlib.Path) -> None:
    terminal = Terminal(_script(tmp_path, "asks"))
    terminal.until("who? ")
    terminal.type("me")
    terminal.until("RESULT me")
    assert terminal.close() == 0


def test_ctrl_c_ends_a_run_and_the_history_says_aborted(tmp_path: pathlib.Path, home: pathlib.Path) -> None:
    terminal = Terminal(_script(tmp_path, "goes_on"))
    terminal.until("it goes on")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("KeyboardInterrupt")
    assert terminal.close() != 0
    assert [run.phase for run in history.list_runs()] == ["aborted"]
