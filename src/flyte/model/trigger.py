"""When a deployed task runs by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trigger:
    """A schedule or an event, attached to a task by `@env.task(triggers=…)`."""

    name: str
