"""One run of one workload: time, processor time and memory, also of the services behind it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

from systems import PROGRAMS, Served

TIMED_INSIDE = ("single", "sequential", "parallel")
"""Workloads whose program tells the seconds itself, so that starting it does not count."""


@dataclass(frozen=True)
class Measurement:
    """What one run cost.

    Args:
        seconds: From the call to the result; of `cold` and `cli` of the whole process.
        cpu_seconds: Of the program and of all its services together, whatever they started included.
        rss_mb: Peak of the program, plus what its services hold afterwards.
    """

    seconds: float
    cpu_seconds: float
    rss_mb: float


def measure(running: Served, workload: str, n: int, timeout: float = 1800) -> Measurement:
    """Run one workload once.

    Raises:
        RuntimeError: The program failed, or took longer than `timeout` and was killed; the message has the end of
            what it said.
    """
    before = _service_usage(running.home)
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            running.system.command(workload, n),
            env=running.environment, cwd=PROGRAMS, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        patience = threading.Timer(timeout, process.kill)
        patience.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        patience.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise RuntimeError(f"{running.system.name} {workload} ended with {process.returncode}:\n{said[-3000:]}")
    if workload in TIMED_INSIDE:
        seconds = _told_seconds(said)
    after = _service_usage(running.home)
    cpu = usage.ru_utime + usage.ru_stime + after[0] - before[0]
    return Measurement(seconds, cpu, usage.ru_maxrss / 1024 + after[1])


def _service_usage(home: pathlib.Path) -> tuple[float, float]:
    """(processor seconds, MB) of all processes that have `home` in their environment; zeros without /proc."""
    cpu, rss, mark = 0.0, 0.0, str(home).encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark not in (entry / "environ").read_bytes():
                continue
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile, or is another user's
        cpu += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        rss += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
    return cpu, rss


def _told_seconds(said: str) -> float:
    """What a program says it took: its last line of JSON. Some systems log after it, at their exit."""
    for line in reversed(said.splitlines()):
        if line.startswith("{"):
            return float(json.loads(line)["seconds"])
    raise RuntimeError(f"The program told no seconds:\n{said[-3000:]}")
