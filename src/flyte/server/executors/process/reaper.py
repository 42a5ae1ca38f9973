"""The supervisor's children: told of at their end, with whatever they left behind ended too.

A task's process leads a group, which is killed before its leader is reaped: until then the number cannot be
anybody else's. Descendants that left the group become children of the supervisor when their parents end, and
are recognised by the attempt in their environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from flyte.server.executors.process.processes import (
    Usage,
    adopt_orphans,
    attempt_of,
    children,
    end_group,
    end_process,
    usage_of,
)

Ended = Callable[[int, Usage], None]
"""Told the wait status of a process and what it used."""


class Reaper:
    """One a process; lives on the event loop of its main thread."""

    def __init__(self) -> None:
        self._leaders: dict[int, tuple[str, Ended]] = {}

    def start(self) -> None:
        """From now on children are reaped here and nowhere else."""
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def expect(self, pid: int, folder: str, ended: Ended) -> None:
        """Be told of the end of a process that was started for an attempt."""
        self._leaders[pid] = (folder, ended)

    def _reap(self) -> None:
        any_gone = False
        while (pid := _next_dead()) is not None:
            any_gone = True
            leader = self._leaders.pop(pid, None)
            if leader is not None:
                end_group(pid)
            _, status, rusage = os.wait4(pid, 0)
            if leader is not None:
                leader[1](status, usage_of(rusage))
        if any_gone:
            self._end_orphans()

    def _end_orphans(self) -> None:
        """End what outlived its attempt. What it started in turn comes here next, and is ended then."""
        living = {folder for folder, _ in self._leaders.values()}
        for pid in children():
            if pid in self._leaders:
                continue
            folder = attempt_of(pid)
            # One that has cleaned its environment could belong to any that lives.
            if folder not in living and (folder or not living):
                end_process(pid)


def _next_dead() -> int | None:
    """A child that is dead and not reaped yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None
