"""What sets off a trigger: a schedule, a fixed rate, or a new version of an artifact.

A cron expression is checked for its shape here; when it fires is the scheduler's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from flyte.errors import InvalidType, InvalidValue

_CRON_ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_PART = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d+))?", re.ASCII)
_TIMEZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


def _value(text: str, lowest: int, highest: int, names: Mapping[str, int]) -> int | None:
    number = names.get(text.upper(), int(text) if text.isdecimal() else None)
    return number if number is not None and lowest <= number <= highest else None


def _is_field(text: str, lowest: int, highest: int, names: Mapping[str, int]) -> bool:
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match["step"] is not None and int(match["step"]) == 0):
            return False
        if match["from"] == "*":
            if match["to"] is not None:
                return False
            continue
        first = _value(match["from"], lowest, highest, names)
        last = first if match["to"] is None else _value(match["to"], lowest, highest, names)
        if first is None or last is None or last < first:
            return False
    return True


def checked_cron(expression: object) -> str:
    """A cron expression of five fields, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.

    Raises:
        InvalidType: It is not text.
        InvalidValue: A field cannot be; the sentence says which.
    """
    if not isinstance(expression, str):
        raise InvalidType(f"A cron expression must be a str, not {expression!r}.")
    if expression.strip().lower() in _CRON_ALIASES:
        return expression
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, *_ in _FIELDS)
        raise InvalidValue(f"Cron({expression!r}) has {len(fields)} fields and needs {len(_FIELDS)}: {names}.")
    for text, (name, lowest, highest, names_of) in zip(fields, _FIELDS, strict=True):
        if not _is_field(text, lowest, highest, names_of):
            raise InvalidValue(
                f"Cron({expression!r}): {text!r} is not a {name}. Write a number from {lowest} to {highest}, '*', "
                "a range 'a-b', a list 'a,b' or steps '*/n'."
            )
    return expression


@dataclass(frozen=True)
class Cron:
    """A schedule by the calendar.

    Args:
        expression: Minute, hour, day of the month, month and day of the week.
        timezone: An IANA name; the schedule follows its summer time.

    Raises:
        InvalidValue: The expression or the time zone's name cannot be.

    Example:
        >>> str(Cron("0 6 * * MON-FRI", timezone="Europe/Paris"))
        'Cron Trigger: CRON_TZ=Europe/Paris 0 6 * * MON-FRI'
    """

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        checked_cron(self.expression)
        if not isinstance(self.timezone, str) or not _TIMEZONE.fullmatch(self.timezone):
            raise InvalidValue(f"Cron(timezone={self.timezone!r}) must be an IANA name, 'Europe/Paris' say.")

    @property
    def timezone_expression(self) -> str:
        """Both in one text."""
        return f"CRON_TZ={self.timezone} {self.expression}"

    def __str__(self) -> str:
        return f"Cron Trigger: {self.timezone_expression}"


@dataclass(frozen=True)
class FixedRate:
    """A schedule by the clock, whatever the calendar says.

    Args:
        interval_minutes: The distance; at least 1.
        start_time: The first time; the trigger's activation by default.

    Raises:
        InvalidType: A value has the wrong type.
        InvalidValue: The distance is below a minute.
    """

    interval_minutes: int
    start_time: datetime | None = None

    def __post_init__(self) -> None:
        if isinstance(self.interval_minutes, bool) or not isinstance(self.interval_minutes, int):
            raise InvalidType(f"FixedRate(interval_minutes=…) must be whole minutes, not {self.interval_minutes!r}.")
        if self.interval_minutes < 1:
            raise InvalidValue(f"FixedRate(interval_minutes=…) must be at least 1, got {self.interval_minutes}.")
        if self.start_time is not None and not isinstance(self.start_time, datetime):
            raise InvalidType(f"FixedRate(start_time=…) must be a datetime, not {self.start_time!r}.")

    def __str__(self) -> str:
        return f"FixedRate Trigger: every {self.interval_minutes} minutes"


@dataclass(frozen=True, init=False)
class OnArtifact:
    """A new version of an artifact.

    Args:
        name: The artifact.
        version: Only this version.
        partitions: Only versions with these partitions; they can be given as keywords too.

    Raises:
        InvalidType: A partition is not text.
        InvalidValue: The name is empty.
    """

    name: str
    version: str | None
    partitions: Mapping[str, str] | None

    def __init__(
        self,
        name: str,
        version: str | None = None,
        partitions: Mapping[str, str] | None = None,
        **partition_kwargs: str,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidValue(f"OnArtifact needs the name of an artifact, not {name!r}.")
        merged = {**(partitions or {}), **partition_kwargs}
        for key, value in merged.items():
            if not isinstance(value, str):
                raise InvalidType(f"OnArtifact: the partition {key!r} must be text, not {value!r}.")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "partitions", merged or None)

    def __hash__(self) -> int:
        return hash((self.name, self.version, tuple(sorted((self.partitions or {}).items()))))

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        partitions = ", ".join(f"{key}={value}" for key, value in (self.partitions or {}).items())
        return f"Artifact Trigger: on new version of {self.name}{version}" + (f" [{partitions}]" if partitions else "")


Automation: TypeAlias = Cron | FixedRate | OnArtifact
