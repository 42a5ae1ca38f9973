"""Task inputs on the command line: options made from an interface, and texts turned into values."""

from __future__ import annotations

import datetime as dt
import enum
import json
import pathlib
import typing
from collections.abc import Mapping
from typing import Any

import rich_click as click

from flyte.errors import FlyteError
from flyte.model.interface import NO_DEFAULT, NativeInterface, has_default, is_named_tuple, is_union
from flyte.types.engine import engine
from flyte.types.transformer import Conversion, type_name

_TRUE, _FALSE = (
    frozenset({"true", "t", "yes", "y", "on", "1"}),
    frozenset({"false", "f", "no", "n", "off", "0"}),
)
BARE_FLAG = "\0flag"


def _plain(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def is_flag(annotation: Any) -> bool:
    """True for an input that may stand without a value."""
    annotation = _plain(annotation)
    return annotation is bool or (is_union(annotation) and bool in typing.get_args(annotation))


def value_of(text: str, annotation: Any) -> Any:
    """The value that a text means for a type.

    Raises:
        ValueError: It means none; the message says what would.
    """
    annotation = _plain(annotation)
    if is_union(annotation):
        return _of_union(text, annotation)
    if annotation is str:
        return text
    if annotation is bool:
        return _bool(text)
    if annotation in (int, float):
        return _number(text, annotation)
    if annotation is type(None):
        if text.lower() in ("none", "null", ""):
            return None
        raise ValueError("must be none")
    if annotation in (dt.datetime, dt.date, dt.timedelta):
        return _TIMES[annotation](text)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _member(text, annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return _choice(text, annotation)
    if annotation is bytes:
        return text.encode()
    return _structure(text, annotation)


def _bool(text: str) -> bool:
    if text == BARE_FLAG or text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("must be true or false")


def _number(text: str, annotation: type) -> Any:
    try:
        return annotation(text)
    except ValueError:
        raise ValueError(f"must be {'a whole number' if annotation is int else 'a number'}") from None


def _of_union(text: str, annotation: Any) -> Any:
    members = sorted(typing.get_args(annotation), key=lambda member: (member is str, member is type(None)))
    problems = []
    if text.lower() in ("none", "null") and type(None) in members:
        return None
    for member in members:
        try:
            return value_of(text, member)
        except ValueError as e:
            problems.append(str(e))
    raise ValueError(" or ".join(dict.fromkeys(problems)))


def moment_of(text: str) -> dt.datetime:
    """A point in time from ISO text, `now`, `today`, or `now - 1 day`.

    Raises:
        ValueError: The text is none of these.
    """
    lowered = text.strip().lower()
    for word in ("now", "today"):
        if lowered.startswith(word):
            base = dt.datetime.now(dt.UTC)
            base = base.replace(hour=0, minute=0, second=0, microsecond=0) if word == "today" else base
            rest = lowered.removeprefix(word).strip()
            if not rest:
                return base
            sign = {"-": -1, "+": 1}.get(rest[0])
            if sign is not None:
                return _moved(base, sign * _timedelta(rest[1:].strip()))
    try:
        return dt.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("must be an ISO date and time, now, today, or now - 1 day") from None


def _moved(base: dt.datetime, span: dt.timedelta) -> dt.datetime:
    try:
        return base + span
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999") from None


def _date(text: str) -> dt.date:
    if text.strip().lower() == "today":
        return dt.datetime.now(dt.UTC).date()
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("must be an ISO date, 2026-01-31 say") from None


_SECOND, _MINUTE, _HOUR, _DAY, _WEEK = 1, 60, 3600, 86400, 604800
_UNITS = {
    "s": _SECOND, "sec": _SECOND, "second": _SECOND, "m": _MINUTE, "min": _MINUTE, "minute": _MINUTE,
    "h": _HOUR, "hour": _HOUR, "d": _DAY, "day": _DAY, "w": _WEEK, "week": _WEEK,
}  # fmt: skip


def _timedelta(text: str) -> dt.timedelta:
    text = text.strip()
    if text.upper().startswith("P"):
        return _iso_duration(text.upper())
    if 1 <= text.count(":") <= 2 and all(part.replace(".", "", 1).isdecimal() for part in text.split(":")):
        parts = [float(part) for part in text.split(":")]
        while len(parts) < 3:
            parts.insert(0, 0.0)
        return _span(3600 * parts[0] + 60 * parts[1] + parts[2])
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text[len(number) :].strip().lower().rstrip("s") or "s"
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise ValueError("must be a duration: '90', '1 minute', '1:24' or 'PT1M30S'") from None
    return _span(seconds)


def _span(seconds: float) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # a ValueError for NaN
        raise ValueError(_TOO_LONG) from None


def _iso_duration(text: str) -> dt.timedelta:
    import re

    match = re.fullmatch(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d*)?)S)?)?", text)
    if match is None or not any(match.groups()):
        raise ValueError("must be an ISO 8601 duration, 'PT1M30S' say")
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    try:
        return dt.timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise ValueError(_TOO_LONG) from None


_TOO_LONG = "must be a duration that a timedelta can hold, up to 999999999 days"
_TIMES: dict[Any, Any] = {dt.datetime: moment_of, dt.date: _date, dt.timedelta: _timedelta}


def _member(text: str, annotation: type[enum.Enum]) -> enum.Enum:
    if text in annotation.__members__:
        return annotation[text]
    for member in annotation:
        if str(member.value) == text or member.name.lower() == text.lower():
            return member
    raise ValueError(f"must be one of {', '.join(annotation.__members__)}")


def _choice(text: str, annotation: Any) -> Any:
    for choice in typing.get_args(annotation):
        if str(choice) == text:
            return choice
    raise ValueError(f"must be one of {', '.join(map(str, typing.get_args(annotation)))}")


def _structure(text: str, annotation: Any) -> Any:
    """JSON text, or a .json or .yaml file."""
    if text.endswith((".json", ".yaml", ".yml")) and pathlib.Path(text).is_file():
        data = _file_data(pathlib.Path(text))
    else:
        try:
            data = json.loads(text)
        except ValueError:
            raise ValueError("must be JSON, or the path of a .json or .yaml file") from None
    return from_json(data, annotation)


def _file_data(path: pathlib.Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ValueError(f"cannot be read: {e.strerror}") from None
    except (yaml.YAMLError, RecursionError) as e:
        raise ValueError(f"is neither JSON nor YAML: {' '.join(str(e).split())}") from None


def from_json(data: Any, annotation: Any) -> Any:
    """JSON data as a value of a type.

    Raises:
        ValueError: It is none.
    """
    annotation = _plain(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list and args and isinstance(data, list):
        return [from_json(part, args[0]) for part in data]
    if origin is dict and args and args[0] is str and isinstance(data, dict):
        return {key: from_json(part, args[1]) for key, part in data.items()}
    if origin is tuple and args and Ellipsis not in args and isinstance(data, list) and len(args) == len(data):
        return tuple(from_json(part, inner) for part, inner in zip(data, args, strict=True))
    if origin in (set, frozenset) and isinstance(data, list):
        return origin(from_json(part, args[0]) for part in data)
    if is_named_tuple(annotation) and isinstance(data, list | dict):
        return _named_tuple(data, annotation)
    if is_union(annotation):
        for member in sorted(args, key=lambda member: member is str):
            try:
                return from_json(data, member)
            except ValueError:
                continue
        raise ValueError(f"must be {type_name(annotation)}")
    if isinstance(data, str) and annotation is not str:
        return value_of(data, annotation) if engine.transformer(annotation).is_identity else data
    try:
        return engine.check(data, annotation)
    except FlyteError as e:
        raise ValueError(e.message) from None


def _named_tuple(data: list[Any] | dict[str, Any], annotation: Any) -> Any:
    """A NamedTuple from its fields in order, or by name; those with a default may be left out."""
    if isinstance(data, list) and len(data) > len(annotation._fields):
        raise ValueError(f"has {len(data)} parts, and {annotation.__name__} has {len(annotation._fields)}")
    given = dict(zip(annotation._fields, data, strict=False)) if isinstance(data, list) else data
    unknown = sorted(given.keys() - set(annotation._fields))
    missing = [name for name in annotation._fields if name not in given and name not in annotation._field_defaults]
    if unknown or missing:
        problem = f"has no field {', '.join(unknown)}" if unknown else f"needs {', '.join(missing)}"
        raise ValueError(f"is wrong: {annotation.__name__} {problem}")
    hints = typing.get_type_hints(annotation)
    return annotation(**{name: from_json(part, hints.get(name, Any)) for name, part in given.items()})


class InputOption(click.Option):
    """One input of a task. A bool stands alone (`--x`) or with a value (`--x true`); `--no-x` says false."""

    def __init__(self, name: str, annotation: Any, default: Any, help_text: str | None) -> None:
        self.input_name = name
        self.annotation = annotation
        self.has_default = default is not NO_DEFAULT
        dashed = name.replace("_", "-")
        shown = type_name(annotation)
        says = [help_text] if help_text else []
        says.append(f"[{shown}]")
        if default is has_default:
            says.append("[default: kept by the backend]")
        elif self.has_default:
            says.append(f"[default: {default!r}]")
        else:
            says.append("[required]")
        flags: dict[str, Any] = {"is_flag": False, "flag_value": BARE_FLAG} if is_flag(annotation) else {}
        super().__init__(
            [f"--{dashed}", name],
            help=" ".join(says),
            type=str,
            required=False,
            default=None,
            metavar=shown.upper(),
            **flags,
        )


def input_options(interface: NativeInterface) -> list[click.Option]:
    """The options of a task's inputs, in declared order."""
    described = getattr(interface.docstring, "input_descriptions", {}) if interface.docstring is not None else {}
    options: list[click.Option] = []
    for name, (annotation, default) in interface.inputs.items():
        options.append(InputOption(name, annotation, default, described.get(name)))
        if _plain(annotation) is bool and f"no_{name}" not in interface.inputs:
            options.append(
                click.Option([f"--no-{name.replace('_', '-')}", f"no_{name}"], is_flag=True, default=None, hidden=True)
            )
    return options


def values_of(interface: NativeInterface, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that were given, as values.

    Raises:
        click.UsageError: One is missing, or cannot be read; the sentence names it.
    """
    values: dict[str, Any] = {}
    missing = []
    for name, (annotation, default) in interface.inputs.items():
        text, dashed = given.get(name), name.replace("_", "-")
        if given.get(f"no_{name}") is True:
            if text is not None:
                raise InputError(f"Inputs --{dashed} and --no-{dashed} exclude each other.")
            values[name] = False
        elif text is not None:
            values[name] = _value(name, text, annotation, default)
        elif default is NO_DEFAULT:
            missing.append(f"--{dashed} ({type_name(annotation)})")
    if missing:
        raise InputError(f"Missing required inputs: {', '.join(missing)}.")
    return values


def _value(name: str, text: str, annotation: Any, default: Any) -> Any:
    try:
        value = value_of(text, annotation)
        engine.round_trip(value, annotation, Conversion()) if engine.transformer(annotation).is_identity else None
    except (ValueError, FlyteError, RecursionError) as e:
        problem = "is nested too deeply" if isinstance(e, RecursionError) else str(e).rstrip(".")
        if not problem.startswith(("must ", "is ", "cannot ")):
            problem = f"is wrong: {problem}"
        raise InputError(f"Input --{name.replace('_', '-')} {text[:80]!r} {problem}.") from None
    if isinstance(value, dict) and isinstance(default, dict):
        return {**default, **value}
    return value


class InputError(click.ClickException):
    """A task input that is missing or wrong: the user's mistake, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"Error: {self.message}", err=True, file=file)
