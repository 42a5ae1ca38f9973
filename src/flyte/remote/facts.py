"""What the messages about an action have in common, as properties."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flyte.model.phase import ActionPhase
from flyte.wire.phases import phase_from_pb


def moment(stamp: Any) -> datetime:
    """A timestamp as an aware datetime."""
    return stamp.ToDatetime(tzinfo=UTC)  # type: ignore[no-any-return]


class ActionFacts:
    """Names, phase and times of an action, read off its message.

    Attributes:
        pb2: A message with `id`, `metadata` and `status`.
    """

    pb2: Any

    @property
    def phase(self) -> ActionPhase:
        """Where the action is."""
        return phase_from_pb(self.pb2.status.phase)

    @property
    def raw_phase(self) -> Any:
        """The phase's number on the wire."""
        return self.pb2.status.phase

    @property
    def name(self) -> str:
        """The action's name."""
        return str(self.pb2.id.name)

    @property
    def run_name(self) -> str:
        """The run's name."""
        return str(self.pb2.id.run.name)

    @property
    def task_name(self) -> str | None:
        """The task, None for an action that is none."""
        return self.pb2.metadata.task.id.name or None

    @property
    def parent_name(self) -> str | None:
        """The parent's name, None for the root."""
        return self.pb2.metadata.parent or None

    @property
    def group(self) -> str | None:
        """The group it was started in, None without one."""
        return self.pb2.metadata.group or None

    @property
    def action_id(self) -> Any:
        """The identifier on the wire."""
        return self.pb2.id

    @property
    def relation(self) -> Any:
        """The run that this one comes from, as the wire has it; None without one."""
        metadata = self.pb2.metadata
        return metadata.relation if metadata.HasField("relation") else None

    @property
    def start_time(self) -> datetime:
        """When it was created."""
        return moment(self.pb2.status.start_time)
