"""This machine's own backend: finding it, starting it, stopping it.

It is found by `backend.json` in its data folder, which says where it listens and as which process; nothing is
guessed. The control plane is started as a program, never imported.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flyte.config.home import backend_folder, ensure_private
from flyte.errors import BackendError, BackendUnreachable

DEFAULT_PORT = 30080
READY_SECONDS = 30.0
ANSWER_SECONDS = 10.0
_LEAVING_SECONDS = 20.0
_PATIENCE_SECONDS = 1.0
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
        argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        argv = listed.stdout.split()
    return "flyte.server" in argv  # the whole word: a supervisor is `flyte.server.executors…`


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
    except (OSError, ValueError, http.client.HTTPException):  # a URLError is an OSError
        return None


def find(data: pathlib.Path | None = None) -> BackendRecord | None:
    """The running backend of a data folder; None where none runs. One that is busy or begins gets a while to answer.

    Raises:
        BackendUnreachable: It runs, and does not answer.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        record = read_record(data)
        if record is None or not runs(record):
            return None
        if health(record.url) is not None:
            return record
        if time.monotonic() > deadline:
            raise BackendUnreachable(
                f"The backend of this machine runs (process {record.pid}), and does not answer at {record.url}.",
                hint=f"Its log is {pathlib.Path(record.data) / 'server.log'}. Restart it: kill -9 {record.pid} && "
                "flyte start backend --detach",
            )
        time.sleep(0.05)


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


def prepared_folder(data: pathlib.Path) -> pathlib.Path:
    """A data folder, made if need be, for its owner alone.

    Raises:
        BackendError: It cannot be made.
    """
    try:
        return ensure_private(data)
    except OSError as e:
        raise BackendError(
            f"The data folder {data} cannot be made: {e.strerror}. Set FLYTE_HOME to a folder of yours, or start a "
            "backend with another --data."
        ) from e


@contextlib.contextmanager
def _start_lock(data: pathlib.Path) -> Iterator[None]:
    import fcntl

    with (data / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_held(data: pathlib.Path) -> bool:
    """True while a control plane has a data folder: one that begins or drains has no record, but the lock."""
    import fcntl

    try:
        descriptor = os.open(data / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


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

    One that another command starts at the same time is taken; one that is being stopped is waited for.

    Args:
        port: The port to listen on. By default 30080, or a free one if another program has that.

    Returns:
        Where it is, and whether it was started just now.

    Raises:
        BackendError: It did not become ready; the sentence ends with the tail of its log.
        BackendUnreachable: One runs, and does not answer.
    """
    folder = prepared_folder((data or backend_folder()).absolute())
    deadline = time.monotonic() + READY_SECONDS
    with _start_lock(folder):
        while True:
            running = find(folder)
            if running is not None:
                return running, False
            chosen = port if port is not None else free_port(host)
            command = server_command(folder, chosen, task_python, slots, host=host, keep_tasks=keep_tasks)
            try:
                return _start(folder, command), True
            except BackendError:
                was_overtaken = _is_held(folder) or (port is None and chosen != 0 and free_port(host) == 0)
                if not was_overtaken or time.monotonic() > deadline:
                    raise
            while _is_held(folder) and read_record(folder) is None and time.monotonic() < deadline:
                time.sleep(0.05)


def free_port(host: str = "127.0.0.1") -> int:
    """The default port, or 0 (any free one) when another program has it."""
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, DEFAULT_PORT))
        except OSError:
            return 0
    return DEFAULT_PORT


def reason_of_port(record: BackendRecord) -> str:
    """Why a backend whose port nobody named does not listen on the default one; empty where it does."""
    if record.url.endswith(f":{DEFAULT_PORT}"):
        return ""
    return f"port {DEFAULT_PORT} belongs to another program"


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
        _end(process)
    raise BackendError(f"The backend did not start. The end of its log, {log}:\n{_tail(log, begin)}")


def _tail(log: pathlib.Path, begin: int) -> str:
    """The last lines of a log, of those behind a position."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a backend that did not become ready, its supervisor with it if there is time."""
    process.terminate()
    try:
        process.wait(_LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(
    data: pathlib.Path | None = None,
    *,
    grace_seconds: float = 10.0,
    keep_tasks: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> bool:
    """End the backend; one that is being stopped already is waited for.

    Args:
        grace_seconds: What running tasks get to finish, before they are ended.
        keep_tasks: End the control plane alone: tasks and their supervisor go on, and the next start finds them.
        on_wait: Called once, when it does not end at once.

    Returns:
        False when none ran.

    Raises:
        BackendError: It is still there long after the grace period.
    """
    folder = (data or backend_folder()).absolute()
    deadline = time.monotonic() + grace_seconds + _LEAVING_SECONDS
    was_held = False
    while (record := read_record(folder)) is None and _is_held(folder):
        was_held = True
        if time.monotonic() > deadline:
            raise BackendError(f"The backend of {folder} is being stopped, and has not ended yet. Wait, and ask again.")
        time.sleep(0.05)
    if record is None or not runs(record):
        return was_held
    wish = {"pid": record.pid, "grace_seconds": grace_seconds, "keep_tasks": keep_tasks}
    temporary = folder / ".stop.json.tmp"
    temporary.write_text(json.dumps(wish))
    temporary.replace(folder / "stop.json")  # what a signal cannot carry; the control plane takes it
    os.kill(record.pid, signal.SIGTERM)
    tell_at = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not _lives(record.pid) or _is_zombie(record.pid):
            return True
        if time.monotonic() > tell_at:
            tell_at = math.inf
            on_wait()
        time.sleep(0.05)
    raise BackendError(f"The backend (process {record.pid}) did not end. End it with: kill -9 {record.pid}")


def _is_zombie(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
