"""Phases ⇄ protobuf."""

from __future__ import annotations

from flyteidl2.common import phase_pb2

from flyte.model.phase import ActionPhase

_TO_PB: dict[ActionPhase, int] = {
    phase: phase_pb2.ActionPhase.Value(f"ACTION_PHASE_{phase.name}") for phase in ActionPhase
}
_FROM_PB = {number: phase for phase, number in _TO_PB.items()}


def phase_to_pb(phase: ActionPhase) -> phase_pb2.ActionPhase:
    """The number on the wire."""
    return _TO_PB[phase]  # type: ignore[return-value, unused-ignore]


def phase_from_pb(number: int) -> ActionPhase:
    """The phase; an unknown number, from a newer backend, counts as queued."""
    return _FROM_PB.get(number, ActionPhase.QUEUED)
