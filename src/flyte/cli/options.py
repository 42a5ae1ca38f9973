"""Options that many commands share, and types of option values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import rich_click as click

from flyte.cli.exits import safe_text
from flyte.cli.groups import normalised
from flyte.errors import InvalidValue

OUTPUT_FORMATS = ("table", "table-simple", "json", "json-raw")
SETTINGS = {"token_normalize_func": normalised}
"""Context settings of every command."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _set_output(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None and context.obj is not None:
        context.obj = replace(context.obj, output=value)


def output_option(short: bool = True) -> Callable[[Decorated], Decorated]:
    """`-o json` after the verb, as before it.

    Args:
        short: False where the command has an `-o` of its own.
    """
    names = ["--output-format", "-of", *(["-o"] if short else [])]
    return click.option(
        *names,
        "output_format",
        type=click.Choice(OUTPUT_FORMATS),
        expose_value=False,
        callback=_set_output,
        help="How results are printed.",
    )


def scope_options(command: Decorated) -> Decorated:
    """`--project` and `--domain`."""
    command = click.option("-d", "--domain", help="Domain. [default: from the configuration]")(command)
    return click.option("-p", "--project", help="Project. [default: from the configuration]")(command)


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """`KEY=VALUE` texts as a dict.

    Raises:
        InvalidValue: A text has no `=` or no key.
    """
    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise InvalidValue(f"{option} {text!r} must be KEY=VALUE.")
        found[key] = value
    return found


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A point in time: ISO, `now`, `today`, `now - 1 day`. Without an offset it is local time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        from flyte.cli.inputs import moment_of

        if isinstance(value, dt.datetime):
            return value
        try:
            moment = moment_of(str(value))
        except ValueError as e:
            self.fail(f"{safe_text(str(value))!r} {e}.", param, ctx)
        try:
            return moment.astimezone()
        except (ValueError, OverflowError):  # local time is out of the calendar at its ends
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
