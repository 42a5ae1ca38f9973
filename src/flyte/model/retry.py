"""How often a task is tried again, and how long is waited between."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flyte.errors import InvalidType, InvalidValue

MAX_RETRIES = 1_000_000
"""More user retries than this are a mistake in the declaration."""


@dataclass(frozen=True)
class Backoff:
    """The wait before each retry: `min(base * factor**n, cap)`, n counting from zero.

    Args:
        base: The first wait.
        factor: By how much each further wait grows; at least 1.
        cap: The longest wait; mandatory when `factor` is above 1.

    Raises:
        InvalidValue: A value is out of its range, or the cap is missing.

    Example:
        >>> Backoff(timedelta(seconds=1), 2.0, timedelta(seconds=5)).compute_delay(3)
        datetime.timedelta(seconds=5)
    """

    base: timedelta
    factor: float = 1.0
    cap: timedelta | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.base, timedelta):
            raise InvalidType(f"Backoff(base=…) must be a timedelta, not {type(self.base).__name__}.")
        if self.base < timedelta(0):
            raise InvalidValue(f"Backoff(base=…) must not be negative, got {self.base}.")
        if isinstance(self.factor, bool) or not isinstance(self.factor, int | float):
            raise InvalidType(f"Backoff(factor=…) must be a number, not {self.factor!r}.")
        if self.cap is not None and not isinstance(self.cap, timedelta):
            raise InvalidType(f"Backoff(cap=…) must be a timedelta, not {self.cap!r}.")
        if not self.factor >= 1 or self.factor == float("inf"):
            raise InvalidValue(f"Backoff(factor=…) must be a finite number of at least 1, got {self.factor!r}.")
        if self.factor > 1 and self.cap is None:
            raise InvalidValue("Backoff with a factor above 1 needs a cap, or its waits would grow without end.")
        if self.cap is not None and self.cap < self.base:
            raise InvalidValue(f"Backoff(cap=…) must be at least the base ({self.base}), got {self.cap}.")

    def compute_delay(self, n: int) -> timedelta:
        """The wait before retry `n`, zero-based."""
        if self.cap is None:
            return self.base
        seconds, cap = self.base.total_seconds(), self.cap.total_seconds()
        for _ in range(n):
            seconds *= self.factor
            if seconds >= cap or self.factor == 1:
                break
        return timedelta(seconds=min(seconds, cap))


@dataclass
class RetryStrategy:
    """How many further attempts a task gets after a failure of its own, and with what waits.

    System failures (a lost machine, say) are retried on a budget of their own and do not count here.

    Args:
        count: Attempts after the first; zero or more.
        backoff: The waits; without one the backend waits not at all and local mode 0.5 s, 1 s, 2 s, ….

    Raises:
        InvalidType: `count` is not an int.
        InvalidValue: `count` is negative or absurd.
    """

    count: int
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, int):
            raise InvalidValue(f"retries must be a whole number or a RetryStrategy, not {self.count!r}.")
        if not 0 <= self.count <= MAX_RETRIES:
            raise InvalidValue(f"retries must be between 0 and {MAX_RETRIES:,}, got {self.count}.")
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise InvalidType(f"backoff must be a flyte.Backoff, not {type(self.backoff).__name__}.")


def as_retry_strategy(value: int | RetryStrategy) -> RetryStrategy:
    """A bare number is a count without back-off."""
    if isinstance(value, RetryStrategy):
        return value
    return RetryStrategy(value)
