"""Times of the database and of messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from flyte.server.services.caller import invalid

_FIRST, _LAST = -62135596800, 253402300799
"""The seconds of the years 1 and 9999, between which a Timestamp must lie."""
_LONGEST_SPAN = 315_576_000_000
"""The seconds of ten thousand years, the longest Duration of the protocol. The database counts in microseconds, and a
longer one could not be added to a moment."""


def stamp(at: int | None) -> Timestamp | None:
    """Microseconds as a timestamp."""
    if at is None:
        return None
    return Timestamp(seconds=at // 1_000_000, nanos=at % 1_000_000 * 1000)


def micros_of(moment: Any, what: str) -> int:
    """A timestamp as microseconds.

    Raises:
        RpcError: It lies outside of the years 1 to 9999 (`invalid_argument`).
    """
    if not _FIRST <= moment.seconds <= _LAST or not 0 <= moment.nanos < 1_000_000_000:
        raise invalid(f"The {what} is no time between the years 1 and 9999.")
    return int(moment.seconds) * 1_000_000 + int(moment.nanos) // 1000


def span_of(duration: Any, what: str) -> timedelta:
    """A duration as a span of time.

    Raises:
        RpcError: It is longer than ten thousand years (`invalid_argument`).
    """
    if abs(duration.seconds) > _LONGEST_SPAN:
        raise invalid(f"The {what} is no duration: {duration.seconds} seconds.")
    span: timedelta = duration.ToTimedelta()
    return span
