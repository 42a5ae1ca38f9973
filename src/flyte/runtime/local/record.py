"""The port to the history of local runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flyte.authoring.task import TaskTemplate
from flyte.errors import BaseRuntimeError
from flyte.model.phase import ActionPhase


class ActionRecord(Protocol):
    """One action in the history."""

    def started(self, attempt: int) -> None:
        """An attempt begins."""
        ...

    def ended(
        self, phase: ActionPhase, value: Any, error: BaseRuntimeError | None, *, from_cache: bool = False
    ) -> None:
        """The action is over."""
        ...


class Recorder(Protocol):
    """Keeps what local runs did. Never raises into a run, and never holds one up."""

    def begin(
        self, name: str, parent: str, task: TaskTemplate[..., Any], group: str, inputs: Mapping[str, Any]
    ) -> ActionRecord:
        """An action comes to be."""
        ...

    def run_ended(self, phase: ActionPhase, error: BaseRuntimeError | None) -> None:
        """The run is over; what was kept is on disk when this returns."""
        ...


class _Nothing:
    def started(self, attempt: int) -> None:
        pass

    def ended(
        self, phase: ActionPhase, value: Any, error: BaseRuntimeError | None, *, from_cache: bool = False
    ) -> None:
        pass


class NoRecorder:
    """Keeps nothing (`FLYTE_LOCAL_HISTORY=0`)."""

    def begin(
        self, name: str, parent: str, task: TaskTemplate[..., Any], group: str, inputs: Mapping[str, Any]
    ) -> ActionRecord:
        return _NOTHING

    def run_ended(self, phase: ActionPhase, error: BaseRuntimeError | None) -> None:
        pass


_NOTHING = _Nothing()
