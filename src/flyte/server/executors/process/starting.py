"""The supervisor as a process of this machine: whether one lives, starting one, ending one, and why one ended.

Who holds the lock of the data folder is its supervisor, whoever started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import sys

from flyte.server.executors.process.processes import names_in_command

_LONGEST_REASON = 300


class SupervisorProcess:
    """The one supervisor of a data folder.

    Args:
        data: The data folder.
        address: The socket that it is to connect to.
    """

    def __init__(self, data: pathlib.Path, address: pathlib.Path) -> None:
        self._data = data
        self._address = address
        self._lock = data / "supervisor.lock"
        self._log = data / "supervisor.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._log_begin = 0

    def lives(self) -> bool:
        """Whether a supervisor holds the lock.

        Raises:
            OSError: The lock cannot be looked at.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def is_expected(self) -> bool:
        """Whether a supervisor lives, or is on its way to the lock that says so.

        Raises:
            OSError: The lock cannot be looked at.
        """
        return (self._child is not None and self._child.poll() is None) or self.lives()

    def pid(self) -> int | None:
        """Its number; None where nobody is known."""
        with contextlib.suppress(OSError, ValueError):
            if self.lives():
                # Whoever holds the lock wrote its number there, so it is nobody else's.
                return int(self._lock.read_text())
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        return None

    def start(self) -> int:
        """Start a supervisor; gives its number. One that finds another at work goes again by itself.

        Raises:
            OSError: The system does not let it be started.
        """
        argv = [
            sys.executable, "-m", "flyte.server.executors.process.supervisor",
            "--data", str(self._data), "--socket", str(self._address),
        ]  # fmt: skip
        with self._log.open("ab") as output:
            self._log_begin = output.tell()
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._data,
            )
        return self._child.pid

    def wake(self) -> None:
        """Tell one that waits for a control plane that there is one again."""
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it by force. Its tasks go on, and its successor adopts them."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        pid = self.pid()
        # Between taking the lock and writing its number, a supervisor leaves that of its predecessor there.
        if pid is not None and names_in_command(pid, str(self._data)):
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    def why_it_ended(self) -> str:
        """How the one that was started here ended, with the last line that it wrote."""
        code = self._child.poll() if self._child is not None else None
        if code is None:
            return f"it ended, and {self._log} may say why"
        if code < 0:
            name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
            return f"it was killed by {name}"
        said = self._last_line()
        return f"it ended with exit code {code}" + (f": {said}" if said else "") + f" (see {self._log})"

    def _last_line(self) -> str:
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(self._log_begin)
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
            return lines[-1][-_LONGEST_REASON:] if lines else ""
        return ""

    def release(self) -> None:
        """Let it live on: it outlives this process, which does not wait for it."""
        if self._child is not None and self._child.poll() is None:
            self._child.returncode = 0
