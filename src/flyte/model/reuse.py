"""Reusable environments: workers that stay and take one action after another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from flyte.errors import InvalidType, InvalidValue

SHORTEST_TTL = timedelta(seconds=30)


def _ttl(value: int | timedelta, name: str) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | timedelta):
        raise InvalidType(f"ReusePolicy({name}=…) must be a timedelta or whole seconds, not {value!r}.")
    try:
        ttl = timedelta(seconds=value) if isinstance(value, int) else value
    except OverflowError:
        raise InvalidValue(f"ReusePolicy({name}=…) is longer than can be counted, got {value} seconds.") from None
    if ttl < SHORTEST_TTL:
        raise InvalidValue(f"ReusePolicy({name}=…) must be at least 30 seconds, got {ttl}.")
    return ttl


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(type(part) is int for part in value)


@dataclass
class ReusePolicy:
    """Keep workers warm between actions.

    Args:
        replicas: Workers: a number, or (fewest, most).
        idle_ttl: How long the whole environment may be idle before it goes; at least 30 s.
        concurrency: Actions that one worker runs at once; above 1 only for asynchronous tasks.
        scaledown_ttl: How long one worker may be idle before it goes; at least 30 s.
        scope: Shared by all runs (`global`), or by the actions of one run (`run`).

    Raises:
        InvalidType: A value has the wrong type.
        InvalidValue: A value is out of its range.
    """

    replicas: int | tuple[int, int] = 2
    idle_ttl: int | timedelta = 30
    concurrency: int = 1
    scaledown_ttl: int | timedelta = 30
    scope: Literal["global", "run"] = "global"

    def __post_init__(self) -> None:
        if isinstance(self.replicas, int):
            self.replicas = (self.replicas, self.replicas)
        if not _is_pair(self.replicas) or self.replicas[0] < 0 or self.replicas[1] < 1:
            raise InvalidValue(
                f"ReusePolicy(replicas=…) must be a number above 0 or (min, max), got {self.replicas!r}."
            )
        if self.replicas[0] > self.replicas[1]:
            raise InvalidValue(f"ReusePolicy(replicas={self.replicas!r}): the fewest are more than the most.")
        if isinstance(self.concurrency, bool) or not isinstance(self.concurrency, int):
            raise InvalidType(f"ReusePolicy(concurrency=…) must be a whole number, not {self.concurrency!r}.")
        if self.concurrency < 1:
            raise InvalidValue(f"ReusePolicy(concurrency=…) must be at least 1, got {self.concurrency}.")
        if self.scope not in ("global", "run"):
            raise InvalidValue(f"ReusePolicy(scope=…) must be 'global' or 'run', got {self.scope!r}.")
        self.idle_ttl = _ttl(self.idle_ttl, "idle_ttl")
        self.scaledown_ttl = _ttl(self.scaledown_ttl, "scaledown_ttl")

    @property
    def min_replicas(self) -> int:
        """The fewest workers."""
        return self.replicas[0] if isinstance(self.replicas, tuple) else self.replicas

    @property
    def max_replicas(self) -> int:
        """The most workers."""
        return self.replicas[1] if isinstance(self.replicas, tuple) else self.replicas

    def get_scaledown_ttl(self) -> timedelta | None:
        """How long one worker may be idle."""
        return (
            self.scaledown_ttl if isinstance(self.scaledown_ttl, timedelta) else timedelta(seconds=self.scaledown_ttl)
        )
