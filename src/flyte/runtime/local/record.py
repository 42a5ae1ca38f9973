"""The port to the history of local runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flyte.model.phase import ActionPhase
from flyte.runtime.local.values import Copied


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What an action failed of."""

    code: str
    message: str


class ActionRecord(Protocol):
    """One action in the history."""

    def started(self, attempt: int) -> None:
        """An attempt begins; attempts count from 1."""
        ...

    def retried(self, error: ErrorText, reason: str) -> None:
        """The attempt failed, and there will be another."""
        ...

    def ended(
        self,
        phase: ActionPhase,
        outputs: Mapping[str, Copied] | None = None,
        error: ErrorText | None = None,
        *,
        from_cache: bool = False,
    ) -> None:
        """The action is over."""
        ...


class Recorder(Protocol):
    """Keeps what one local run did. Never raises into the run, and never holds it up."""

    def begin(self, name: str, parent: str, task_name: str, group: str, inputs: Mapping[str, Copied]) -> ActionRecord:
        """An action comes to be; the first is the root."""
        ...

    def run_ended(self, phase: ActionPhase, error: ErrorText | None = None) -> None:
        """The run is over; what was kept is on disk when this returns. Actions still open count as aborted."""
        ...


class _Nothing:
    def started(self, attempt: int) -> None:
        pass

    def retried(self, error: ErrorText, reason: str) -> None:
        pass

    def ended(
        self,
        phase: ActionPhase,
        outputs: Mapping[str, Copied] | None = None,
        error: ErrorText | None = None,
        *,
        from_cache: bool = False,
    ) -> None:
        pass


class NoRecorder:
    """Keeps nothing (`FLYTE_LOCAL_HISTORY=0`)."""

    def begin(self, name: str, parent: str, task_name: str, group: str, inputs: Mapping[str, Copied]) -> ActionRecord:
        return _NOTHING

    def run_ended(self, phase: ActionPhase, error: ErrorText | None = None) -> None:
        pass


_NOTHING = _Nothing()
