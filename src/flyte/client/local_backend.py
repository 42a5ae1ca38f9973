"""This machine's own backend: finding it, starting it, stopping it.

It is found by `backend.json` in its data folder, which says where it listens and as which process; nothing is
guessed. The control plane is started as a program, never imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from flyte.config.home import backend_folder, ensure_private
from flyte.errors import BackendError

DEFAULT_PORT = 30080
READY_SECONDS = 30.0
_LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class BackendRecord:
    """Where the backend of a data folder said it is."""

    pid: int
    url: str
    version: str
    data: str
    started_at: str


def read_record(data: pathlib.Path | None = None) -> BackendRecord | None:
    """The record of a data folder, None where there is none or it cannot be read."""
    try:
        raw = json.loads(((data or backend_folder()) / "backend.json").read_text())
        return BackendRecord(**{name: raw[name] for name in ("pid", "url", "version", "data", "started_at")})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_backend(pid: int) -> bool:
    """True when a process is a control plane: after a crash its number may belong to any other program."""
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        command = listed.stdout
    return "flyte.server" in command


def runs(record: BackendRecord) -> bool:
    """True when the process of a record lives and is a control plane, ready or not."""
    return _lives(record.pid) and not _is_zombie(record.pid) and _is_backend(record.pid)


def health(url: str, timeout: float = 2.0) -> dict[str, object] | None:
    """What `/health/ready` answers, None where nothing does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health/ready", timeout=timeout) as answer:
            body = json.loads(answer.read())
            return body if isinstance(body, dict) else None
    except (OSError, ValueError, urllib.error.URLError):
        return None


def find(data: pathlib.Path | None = None) -> BackendRecord | None:
    """The running backend of a data folder; None where none runs."""
    record = read_record(data)
    if record is None or not runs(record) or health(record.url) is None:
        return None
    return record


def require_same_version(record: BackendRecord, version: str) -> None:
    """Refuse a backend of another version.

    Raises:
        BackendError: With the command that restarts it.
    """
    if record.version != version:
        raise BackendError(
            f"The running backend has version {record.version}, and this is {version}. "
            "Restart it: flyte stop backend && flyte start backend --detach"
        )


@contextlib.contextmanager
def _start_lock(data: pathlib.Path) -> Iterator[None]:
    import fcntl

    with (data / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start_detached(
    data: pathlib.Path | None = None,
    *,
    port: int | None = None,
    task_python: str | None = None,
    slots: int | None = None,
    host: str = "127.0.0.1",
    keep_tasks: bool = False,
) -> tuple[BackendRecord, bool]:
    """Start a backend in the background, unless one runs; answers when it is ready.

    Args:
        port: The port to listen on. By default 30080, or a free one if another program has that.

    Returns:
        Where it is, and whether it was started just now.

    Raises:
        BackendError: It did not become ready; the sentence ends with the tail of its log.
    """
    folder = ensure_private(data or backend_folder())
    with _start_lock(folder):
        running = find(folder)
        if running is not None:
            return running, False
        chosen = port if port is not None else free_port()
        command = server_command(folder, chosen, task_python, slots, host=host, keep_tasks=keep_tasks)
        return _start(folder, command), True


def free_port() -> int:
    """The default port, or 0 (any free one) when another program has it."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            return 0
    return DEFAULT_PORT


def server_command(
    data: pathlib.Path,
    port: int,
    task_python: str | None,
    slots: int | None,
    *,
    host: str = "127.0.0.1",
    keep_tasks: bool = False,
) -> list[str]:
    """The command line of a control plane."""
    command = [sys.executable, "-m", "flyte.server", "--data", str(data), "--host", host, "--port", str(port)]
    if task_python:
        command += ["--task-python", task_python]
    if slots:
        command += ["--slots", str(slots)]
    if keep_tasks:
        command.append("--keep-tasks")
    return command


def _start(data: pathlib.Path, command: list[str]) -> BackendRecord:
    log = data / "server.log"
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=data,
        )
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        record = read_record(data)
        if record is not None and record.pid == process.pid and health(record.url) is not None:
            process.returncode = 0  # it outlives this process, which does not wait for it
            return record
        if process.poll() is not None:
            break
        time.sleep(0.03)
    if process.poll() is None:
        process.kill()
        process.wait()
    raise BackendError(f"The backend did not start. The end of its log, {log}:\n{_tail(log, begin)}")


def _tail(log: pathlib.Path, begin: int) -> str:
    """The last lines of a log, of those behind a position."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:])


def stop(data: pathlib.Path | None = None, *, grace_seconds: float = 10.0) -> bool:
    """Ask the backend to drain and end; False when none ran.

    Raises:
        BackendError: It is still there long after the grace period.
    """
    record = read_record(data)
    if record is None or not runs(record):
        return False
    os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds + 20
    while time.monotonic() < deadline:
        if not _lives(record.pid) or _is_zombie(record.pid):
            return True
        time.sleep(0.05)
    raise BackendError(f"The backend (process {record.pid}) did not end. End it with: kill -9 {record.pid}")


def _is_zombie(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
