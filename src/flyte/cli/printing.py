"""Results as tables or JSON."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Sequence
from typing import Any

import rich_click as click

from flyte.cli.exits import safe_text
from flyte.cli.state import CliState


def jsonable(value: Any) -> Any:
    """A value as JSON data; what JSON has no word for becomes its text."""
    if isinstance(value, dict):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, enum.Enum) else value.name
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__dataclass_fields__"):
        return {name: jsonable(getattr(value, name)) for name in value.__dataclass_fields__}
    return repr(value)


def print_rows(rows: Sequence[dict[str, Any]], state: CliState, *, empty: str) -> None:
    """A table, or a JSON list.

    Args:
        empty: What to say (on stderr) when there are none.
    """
    if state.is_json:
        click.echo(json.dumps([jsonable(row) for row in rows], indent=2))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    if state.output == "table-simple":
        click.echo("\t".join(rows[0]))
        for row in rows:
            click.echo("\t".join(_cell(value) for value in row.values()))
        return
    _print_table(rows)


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.upper(), overflow="fold")
    for row in rows:
        table.add_row(*[Text(_cell(value)) for value in row.values()])
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


def print_object(data: dict[str, Any], state: CliState) -> None:
    """Keys and values, or a JSON object."""
    if state.is_json:
        click.echo(json.dumps(jsonable(data), indent=2))
        return
    width = max((len(key) for key in data), default=0)
    for key, value in data.items():
        click.echo(f"{key.ljust(width)}  {_cell(value)}")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dt.timedelta):
        return f"{value.total_seconds():.1f}s"
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items())
    return safe_text(str(value))
