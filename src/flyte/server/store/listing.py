"""Lists with filters, sorting and pages: the one place that builds SQL, from columns it knows and bound values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flyte.errors import RpcError

LARGEST_PAGE = 1000
DEFAULT_PAGE = 100

_OPERATORS = {
    "EQUAL": "=", "NOT_EQUAL": "<>", "GREATER_THAN": ">", "GREATER_THAN_OR_EQUAL": ">=",
    "LESS_THAN": "<", "LESS_THAN_OR_EQUAL": "<=",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A field that may be filtered or sorted by.

    Args:
        sql: The expression; never from outside.
        read: Turns a value from outside into one of the column.
    """

    sql: str
    read: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter, in the protocol's words."""

    function: str
    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sorting:
    """The order of a list."""

    field: str
    ascending: bool


def _value(column: Column, field: str, text: str) -> Any:
    try:
        return column.read(text)
    except (ValueError, KeyError) as e:
        raise RpcError(f"{text[:80]!r} is no value of {field}.", code="invalid_argument") from e


def _clause(column: Column, condition: Condition, name: str, bound: dict[str, Any]) -> str:
    function, values = condition.function, condition.values
    if function in _OPERATORS and len(values) == 1:
        bound[name] = _value(column, condition.field, values[0])
        return f"{column.sql} {_OPERATORS[function]} :{name}"
    if function in ("VALUE_IN", "VALUE_NOT_IN") and values:
        names = []
        for i, value in enumerate(values):
            bound[f"{name}_{i}"] = _value(column, condition.field, value)
            names.append(f":{name}_{i}")
        verb = "IN" if function == "VALUE_IN" else "NOT IN"
        return f"{column.sql} {verb} ({', '.join(names)})"
    patterns = {
        "CONTAINS": "%{}%",
        "CONTAINS_CASE_INSENSITIVE": "%{}%",
        "ENDS_WITH": "%{}",
        "NOT_ENDS_WITH": "%{}",
    }
    if function in patterns and len(values) == 1:
        escaped = values[0].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        bound[name] = patterns[function].format(escaped)
        verb = "NOT LIKE" if function == "NOT_ENDS_WITH" else "LIKE"
        left = f"LOWER({column.sql})" if function.endswith("INSENSITIVE") else column.sql
        right = f"LOWER(:{name})" if function.endswith("INSENSITIVE") else f":{name}"
        return f"{left} {verb} {right} ESCAPE '\\'"
    if function in ("EXISTS", "NOT_EXISTS"):
        return f"{column.sql} IS {'NOT ' if function == 'EXISTS' else ''}NULL"
    raise RpcError(
        f"The filter {function} on {condition.field} needs values of another number.", code="invalid_argument"
    )


def build(
    select: str,
    where: Sequence[str],
    values: Mapping[str, Any],
    conditions: Sequence[Condition],
    column_of: Callable[[str], Column | None],
    sorting: Sorting,
    limit: int,
    offset: int,
    tie: str,
) -> tuple[str, dict[str, Any]]:
    """The SQL of one page, and its values.

    Args:
        select: `SELECT … FROM …`.
        where: Clauses that always hold.
        column_of: Field → column; None for a field that cannot be used.
        tie: What orders equal rows.

    Raises:
        RpcError: A field, function or value cannot be used (code `invalid_argument`).
    """
    bound = dict(values)
    clauses = list(where)
    for i, condition in enumerate(conditions):
        column = column_of(condition.field)
        if column is None:
            raise RpcError(f"Lists cannot be filtered by {condition.field[:80]!r}.", code="invalid_argument")
        clauses.append(_clause(column, condition, f"f{i}", bound))
    column = column_of(sorting.field)
    if column is None:
        raise RpcError(f"Lists cannot be sorted by {sorting.field[:80]!r}.", code="invalid_argument")
    direction = "ASC" if sorting.ascending else "DESC"
    filtered = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    bound["page_limit"], bound["page_offset"] = limit + 1, offset
    order = f" ORDER BY {column.sql} {direction}, {tie} {direction} LIMIT :page_limit OFFSET :page_offset"
    return select + filtered + order, bound


def page_size(requested: int) -> int:
    """How many rows a page has."""
    return min(requested, LARGEST_PAGE) if requested > 0 else DEFAULT_PAGE
