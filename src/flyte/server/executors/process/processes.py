"""Process groups, as the operating system knows them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used."""

    peak_memory_bytes: int
    cpu_seconds: float


def start_time(pid: int) -> str | None:
    """When a process was started, in the system's own terms; None when it is gone. Tells a pid from its reuse."""
    stat = pathlib.Path(f"/proc/{pid}/stat")
    try:
        text = stat.read_text()
    except OSError:
        return _start_time_by_ps(pid) if not pathlib.Path("/proc/self").exists() else None
    fields = text.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return fields[19]


def _start_time_by_ps(pid: int) -> str | None:
    import subprocess

    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


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


def usage_of(rusage: object) -> Usage:
    """What the system says of a process that was waited for. Linux counts memory in KiB, macOS in bytes."""
    import sys

    peak = getattr(rusage, "ru_maxrss", 0) * (1 if sys.platform == "darwin" else 1024)
    return Usage(peak, getattr(rusage, "ru_utime", 0.0) + getattr(rusage, "ru_stime", 0.0))


def make_fifo(path: pathlib.Path) -> None:
    """A named pipe that only its owner can open."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)
