"""Process groups, as the operating system knows them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

ATTEMPT_VARIABLE = "FLYTE_ATTEMPT"
"""Set for every task process to its attempt's folder. Whatever it starts inherits it, and is found by it."""

MOST_FILES = 65_536
"""Files that a process which owns many attempts may have open, where the system lets it."""

_PROC = pathlib.Path("/proc")
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used."""

    peak_memory_bytes: int = 0
    cpu_seconds: float = 0.0


def start_time(pid: int) -> str | None:
    """When a process was started, in the system's own terms; None when it is gone. Tells a pid from its reuse."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None if (_PROC / "self").exists() else _start_time_by_ps(pid)
    fields = text.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return fields[19]


def _start_time_by_ps(pid: int) -> str | None:
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def attempt_of(pid: int) -> str:
    """The attempt folder that a process was started for, empty for a process of somebody else."""
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    prefix = f"{ATTEMPT_VARIABLE}=".encode()
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry[len(prefix) :])
    return ""


def names_in_command(pid: int, argument: str) -> bool:
    """Whether a process was started with an argument; true where the system does not say."""
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return not (_PROC / "self").exists()
    return os.fsencode(argument) in command.split(b"\0")


def by_attempt() -> Iterator[tuple[int, str]]:
    """Every process that belongs to an attempt of some supervisor, with the attempt's folder."""
    with contextlib.suppress(FileNotFoundError), os.scandir(_PROC) as entries:
        for entry in entries:
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                folder = attempt_of(int(entry.name))
                if folder:
                    yield int(entry.name), folder


def leads_session(pid: int) -> bool:
    """Whether a process is the leader of its session, as the first process of every attempt is."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def children() -> list[int]:
    """The processes whose parent is this one; empty where the system does not say."""
    found: list[int] = []
    for thread in (_PROC / "self" / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in thread.read_text().split()]
    return found


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none gets out of sight (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def allow_many_files() -> tuple[int, int]:
    """Let this process open as many files as the system lets it; gives the limits as they were."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = before
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return before


def limit_files(pid: int, limits: tuple[int, int]) -> None:
    """Give a process limits of its own for open files (Linux); one that is gone is not an error."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def signal_group(pid: int, number: int) -> bool:
    """Send a signal to the whole group of a session leader; False when nobody is left."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_group(pid: int) -> None:
    """Kill whatever is left of a group."""
    signal_group(pid, signal.SIGKILL)


def end_process(pid: int) -> None:
    """Kill one process; one that is gone is not an error."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def usage_of(rusage: object) -> Usage:
    """What the system says of a process that was waited for. Linux counts memory in KiB, macOS in bytes."""
    peak = getattr(rusage, "ru_maxrss", 0) * (1 if sys.platform == "darwin" else 1024)
    return Usage(peak, getattr(rusage, "ru_utime", 0.0) + getattr(rusage, "ru_stime", 0.0))


def make_fifo(path: pathlib.Path) -> None:
    """A named pipe that only its owner can open."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)
