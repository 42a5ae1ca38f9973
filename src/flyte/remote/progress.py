"""A run's progress on stderr while one waits for it: its phase, and its log lines as they come.

On a terminal the phase is a line that moves; in a pipe each change is a line of its own. Nothing here writes to
stdout, which belongs to results.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from flyte.errors import FlyteError, LogsNotYetAvailableError
from flyte.model.phase import ActionPhase
from flyte.remote import logs
from flyte.remote.details import ActionDetails, WaitFor
from flyte.remote.logs import log_lines, safe_line

if TYPE_CHECKING:
    from rich.status import Status

    from flyte.remote.run import Run


class Display(Protocol):
    """Where progress is shown."""

    def phase(self, name: str, details: ActionDetails) -> None:
        """The run is somewhere else, or in another attempt."""
        ...

    def line(self, text: str) -> None:
        """A line of the log, without its end, safe for a terminal."""
        ...


class Quiet:
    """Shows the log alone."""

    def phase(self, name: str, details: ActionDetails) -> None:
        """Nothing."""

    def line(self, text: str) -> None:
        """The line as it is."""
        print(text, file=sys.stderr, flush=True)  # noqa: T201  this is what it is for


class Lines(Quiet):
    """One line for each change, for pipes and files."""

    def __init__(self) -> None:
        self._shown: tuple[ActionPhase, int] | None = None

    def phase(self, name: str, details: ActionDetails) -> None:
        """A line, unless it would repeat the one before."""
        now = (details.phase, max(details.attempts, 1))
        if now != self._shown:
            self._shown = now
            print(_state(name, details), file=sys.stderr, flush=True)  # noqa: T201  this is what it is for


class Moving:
    """A line at the bottom of a terminal, with the time that passes; log lines scroll above it."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._started = time.monotonic()

    def phase(self, name: str, details: ActionDetails) -> None:
        """The line says so."""
        from rich.text import Text

        self._status.update(Text(_state(name, details)))

    def line(self, text: str) -> None:
        """The line above the moving one."""
        from rich.text import Text

        self._status.console.print(Text(text), soft_wrap=True)


def _state(name: str, details: ActionDetails) -> str:
    attempt = f" (attempt {details.attempts})" if details.attempts > 1 else ""
    took = f" after {details.runtime.total_seconds():.1f}s" if details.done() else ""
    return f"{name}  {details.phase.value}{attempt}{took}"


@contextlib.contextmanager
def moving(name: str) -> Iterator[Display]:
    """A display for a terminal; the terminal is as it was when this is left, however it is left."""
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(name)) as status:
        yield Moving(status)


async def show_progress(run: Run, wait_for: WaitFor) -> None:
    """Wait for a run, showing on a terminal where it is and its log lines as they come."""
    with moving(run.name) as display:
        await follow(run, display, wait_for, with_logs=True)


async def follow(run: Run, display: Display, wait_for: WaitFor = "terminal", *, with_logs: bool) -> None:
    """Wait for a run and show it.

    The log of each attempt is shown from its beginning, one attempt after the other, and to its end: this returns
    when the run is over and its log has been shown.

    Raises:
        RpcError: The backend refused the request, or could not be reached any more.
    """
    started: asyncio.Queue[int | None] = asyncio.Queue()
    tail = asyncio.get_running_loop().create_task(_tail(run, started, display)) if with_logs else None
    known = 0
    try:
        async for details in run.watch(wait_for=wait_for):
            display.phase(run.name, details)
            while known < details.attempts and (details.logs_available(known + 1) or details.attempts > known + 1):
                known += 1
                started.put_nowait(known)
        started.put_nowait(None)
        if tail is not None and wait_for == "terminal":
            await tail
    finally:
        if tail is not None:
            tail.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tail


async def _tail(run: Run, started: asyncio.Queue[int | None], display: Display) -> None:
    while (attempt := await started.get()) is not None:
        try:
            async for line in logs.lines(run.pb2.action.id, attempt):
                for part in log_lines(line):
                    display.line(part)
        except LogsNotYetAvailableError:
            continue
        except FlyteError as e:
            display.line(f"(the log of attempt {attempt} cannot be read: {safe_line(e.message)})")


__all__ = ["Display", "Lines", "Moving", "Quiet", "follow", "log_lines", "moving", "show_progress"]
