"""What a person at a terminal sees: a moving line, the log above it, and the result."""

from __future__ import annotations

import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import time

from tests.conftest import Backend


class Terminal:
    """A command under a pseudo-terminal."""

    def __init__(self, backend: Backend, cwd: pathlib.Path, *args: str) -> None:
        self._master, slave = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flyte.cli.main", "-c", str(backend.config), *args],
            cwd=cwd, env=backend.env(TERM="xterm-256color", COLUMNS="120"), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def read_until(self, words: str | None, seconds: float = 60) -> str:
        """Everything shown so far, once it has these words; None for all up to the end."""
        deadline = time.monotonic() + seconds
        while words is None or words not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if not select.select([self._master], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other side is closed
                data = b""
            if not data:
                assert words is None, self.seen
                break
            self.seen += data.decode(errors="replace")
        return self.seen

    def end(self) -> int:
        """Read to the end; gives the exit code."""
        self.read_until(None)
        code = self.process.wait(30)
        os.close(self._master)
        return code


def test_a_terminal_shows_progress_log_and_result(backend: Backend, project: pathlib.Path) -> None:
    terminal = Terminal(backend, project, "run", "--follow", "shop.py", "show", "--n", "2")
    assert terminal.end() == 0
    assert "a line of the task" in terminal.seen
    assert "'2 False here'" in terminal.seen
    assert "\x1b[?25l" in terminal.seen, "the line does not move"
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l"), "the cursor stays hidden"


def test_without_progress_a_terminal_gets_no_moving_line(backend: Backend, project: pathlib.Path) -> None:
    terminal = Terminal(backend, project, "--no-progress", "run", "shop.py", "show", "--n", "2")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.seen


def test_the_log_cannot_command_the_terminal(backend: Backend, project: pathlib.Path) -> None:
    terminal = Terminal(backend, project, "run", "--follow", "shop.py", "escapes")
    assert terminal.end() == 0
    assert r"\x1b]52;c;aGk=\x07" in terminal.seen
    assert "\x1b]52" not in terminal.seen and "\x1b[31m\x9b" not in terminal.seen


def test_ctrl_c_at_a_terminal_detaches_and_gives_the_cursor_back(
    backend: Backend, project: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    terminal = Terminal(
        backend, project, "run", "--name", "at-terminal", "-f", "shop.py", "wait_for", "--path", str(tmp_path / "x")
    )
    terminal.read_until("waiting")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert "flyte abort run at-terminal" in terminal.seen and "Traceback" not in terminal.seen
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l"), "the cursor stays hidden"
    assert backend.cli("abort", "run", "at-terminal").returncode == 0
