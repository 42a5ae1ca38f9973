"""The phases of an action and of its attempts (wire_protocol §6.1)."""

from __future__ import annotations

from enum import Enum


class ActionPhase(str, Enum):
    """Where an action is. Terminal phases are never left.

    Example:
        >>> ActionPhase.SUCCEEDED.is_terminal
        True
    """

    QUEUED = "queued"
    WAITING_FOR_RESOURCES = "waiting_for_resources"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    TIMED_OUT = "timed_out"
    RECOVERED = "recovered"

    @property
    def is_terminal(self) -> bool:
        """True when nothing will happen to the action any more."""
        return self in TERMINAL

    @property
    def is_success(self) -> bool:
        """True when the action has outputs: it succeeded, or its outputs were recovered."""
        return self in (ActionPhase.SUCCEEDED, ActionPhase.RECOVERED)


TERMINAL = frozenset(
    {
        ActionPhase.SUCCEEDED,
        ActionPhase.FAILED,
        ActionPhase.ABORTED,
        ActionPhase.TIMED_OUT,
        ActionPhase.RECOVERED,
    }
)
