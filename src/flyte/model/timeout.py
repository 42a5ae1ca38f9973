"""Bounds on the time that a task may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from flyte.errors import InvalidType, InvalidValue

_LONGEST_SECONDS = 315_576_000_000
"""Ten thousand years: what the protocol's durations hold."""

Duration: TypeAlias = timedelta | int | None


def _seconds(value: Duration, what: str) -> timedelta | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise InvalidType(f"{what} must be a timedelta or a number of seconds, not {value!r}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidValue(f"{what} must be finite, got {value!r}.")
    if abs(value.total_seconds() if isinstance(value, timedelta) else value) > _LONGEST_SECONDS:
        raise InvalidValue(f"{what} is longer than can be counted ({_LONGEST_SECONDS:,} seconds), got {value!r}.")
    value = value if isinstance(value, timedelta) else timedelta(seconds=value)
    if value < timedelta(0):
        raise InvalidValue(f"{what} must not be negative, got {value}.")
    return value or None


@dataclass
class Timeout:
    """Three bounds, each a timedelta or a number of seconds; None or 0 means no bound.

    Args:
        max_runtime: From the start of the attempt's user code to its end, for each attempt.
        max_queued_time: From the moment the attempt is queued to its start.
        deadline: From the creation of the action to its end, over all attempts.

    Raises:
        InvalidType: A bound is neither a timedelta nor a number.
        InvalidValue: A bound is negative or not finite.
    """

    max_runtime: Duration = None
    max_queued_time: Duration = None
    deadline: Duration = None

    def __post_init__(self) -> None:
        for name in ("max_runtime", "max_queued_time", "deadline"):
            _seconds(getattr(self, name), f"Timeout({name}=…)")

    def bound(self, name: str) -> timedelta | None:
        """One bound as a timedelta, None where there is none."""
        return _seconds(getattr(self, name), f"Timeout({name}=…)")


TimeoutType: TypeAlias = Timeout | int | timedelta


def as_timeout(value: TimeoutType | None) -> Timeout:
    """A bare value is a `max_runtime`."""
    if isinstance(value, Timeout):
        return value
    return Timeout(max_runtime=_seconds(value, "timeout"))
