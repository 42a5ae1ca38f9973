"""The port to an executor: something that starts and stops processes and tells what became of them.

What an executor knows it can say again after a restart of the control plane. Every event may come twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """One attempt under one lease."""

    project: str
    domain: str
    run: str
    action: str
    attempt: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that is needed to start an attempt.

    Args:
        token: The attempt's own credential, never on a command line.
        interpreter: The Python to run it with; empty for the default.
    """

    key: AttemptKey
    argv: tuple[str, ...]
    env: dict[str, str]
    output_prefix: str
    expects_outputs: bool
    token: str
    interpreter: str


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The process runs."""

    key: AttemptKey
    at: int


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The process is gone, or never came to be.

    Args:
        exit_code: None where it is not known (the process was adopted, or a signal ended it).
        error_document: The contents of error.pb, empty where there is none.
        has_outputs: It left its outputs, or promised none and ended well.
        lost_reason: Why it could not be started or was lost; empty otherwise.
        was_stopped: It was asked to end.
    """

    key: AttemptKey
    at: int
    exit_code: int | None = None
    signal: int = 0
    has_outputs: bool = False
    error_document: bytes = b""
    lost_reason: str = ""
    was_stopped: bool = False
    peak_memory_bytes: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LogGrew:
    """More was written to an attempt's log."""

    key: AttemptKey
    size: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The executor can be reached (again).

    Args:
        known: What lives there, or has ended without the control plane knowing yet. Whatever the control plane
            believes to be there and is not in this list was never started, or is lost.
    """

    known: tuple[AttemptKey, ...]


ExecutorEvent = AttemptStarted | AttemptEnded | LogGrew | Connected


class Executor(Protocol):
    """Runs attempts.

    Attributes:
        name: Recorded on the attempts it holds; stays the same over restarts.
    """

    name: str

    def free(self, busy: int) -> int:
        """How many more attempts may be started, given how many places are taken; 0 while out of reach."""
        ...

    async def start(self, launch: Launch) -> None:
        """Start an attempt. The same key again changes nothing, even if it has ended since or was stopped before.

        Whatever goes wrong comes as an `AttemptEnded` with a reason. While the executor is out of reach nothing is
        started: with the next `Connected` the attempt is missing from `known` and is handed over again.
        """
        ...

    async def stop(self, key: AttemptKey, reason: str, grace_seconds: float) -> None:
        """End an attempt's whole process group: politely, then after the grace period by force.

        An attempt that is not there is not an error, and will not be started any more.
        """
        ...

    async def acknowledge(self, key: AttemptKey) -> None:
        """The end of this attempt is on record; the executor may forget it."""
        ...

    def events(self) -> AsyncIterator[ExecutorEvent]:
        """What happens, for as long as the executor is used. `Connected` comes first."""
        ...

    async def close(self, *, keep_tasks: bool, grace_seconds: float) -> None:
        """Let go of the executor; unless `keep_tasks`, end what runs there.

        Nothing is started any more. Events go on until this returns, so that the ends can be recorded and
        acknowledged; those that are not are told again by the executor's next `Connected`.
        """
        ...
