"""Time as the control plane reads it: a parameter, so that tests can set it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]
"""Gives microseconds since 1970, UTC."""


def system_clock() -> int:
    """The machine's clock."""
    return time.time_ns() // 1000


def micros(span: timedelta) -> int:
    """A span in microseconds."""
    return span // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """Microseconds as an aware datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
