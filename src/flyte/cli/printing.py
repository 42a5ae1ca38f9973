"""Results as tables or JSON."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import enum
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rich_click as click

from flyte.cli.exits import safe_text
from flyte.cli.state import CliState


def jsonable(value: Any) -> Any:
    """A value as JSON data; what JSON has no word for becomes its text."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if hasattr(value, "model_dump"):
        return jsonable(value.model_dump())
    if hasattr(value, "__dataclass_fields__"):
        return {name: jsonable(getattr(value, name)) for name in value.__dataclass_fields__}
    return repr(value)


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(jsonable(data), indent=2, allow_nan=False))


def print_rows(rows: Sequence[dict[str, Any]], state: CliState, *, empty: str) -> None:
    """A table, or a JSON list.

    Args:
        empty: What to say (on stderr) when there are none.
    """
    if state.is_json:
        print_json(rows)
    elif not rows:
        click.echo(safe_text(empty), err=True)
    elif state.output == "table-simple":
        click.echo("\t".join(rows[0]))
        for row in rows:
            click.echo("\t".join(cell(value) for value in row.values()))
    else:
        print_table(rows)


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """A table for people; in a pipe nothing is cut or wrapped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.upper().replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell(value)) for value in row.values()])
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


def print_object(data: dict[str, Any], state: CliState) -> None:
    """Keys and values, or a JSON object; in the table, what is not known is left out."""
    if state.is_json:
        print_json(data)
        return
    shown = {key if "." in key else key.replace("_", " "): value for key, value in data.items() if value is not None}
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        lines = cell(value).split("\n")
        click.echo(f"{key.ljust(width)}  {lines[0]}".rstrip())
        for line in lines[1:]:
            click.echo(f"{' ' * width}  {line}".rstrip())


def cell(value: Any) -> str:
    """A value as text for people, without anything that a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, enum.Enum):
        return safe_text(str(value.value))
    if isinstance(value, dt.datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dt.timedelta):
        return f"{value.total_seconds():.1f}s"
    if isinstance(value, Mapping):
        return safe_text(" ".join(f"{k}={v}" for k, v in value.items()))
    if isinstance(value, list | tuple):
        return safe_text(", ".join(map(str, value)))
    return safe_text(str(value))


@contextlib.contextmanager
def user_output_apart(state: CliState) -> Iterator[None]:
    """While user code runs in this process: what it prints goes to stderr where stdout is to hold JSON alone."""
    if not state.is_json:
        yield
        return
    try:
        stdout = sys.stdout.fileno()
    except (OSError, ValueError):  # no real stdout, in a test that captures it
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    sys.stdout.flush()
    kept = os.dup(stdout)
    os.dup2(sys.stderr.fileno(), stdout)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, stdout)
        os.close(kept)
