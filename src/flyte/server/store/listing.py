"""Lists with filters, sorting and pages: the one place that builds SQL, from columns it knows and bound values.

A page begins after the last row of the one before, not at a number of rows: what is added in between neither
repeats nor hides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from flyte.errors import RpcError

Dialect = Literal["sqlite", "postgres"]

LARGEST_PAGE = 1000
DEFAULT_PAGE = 100
MOST_FILTERS, MOST_VALUES = 50, 500

_OPERATORS = {
    "EQUAL": "=", "NOT_EQUAL": "<>", "GREATER_THAN": ">", "GREATER_THAN_OR_EQUAL": ">=",
    "LESS_THAN": "<", "LESS_THAN_OR_EQUAL": "<=",
}  # fmt: skip
_POSITION: dict[str, str] = {"sqlite": "instr", "postgres": "strpos"}
_PATTERNS = frozenset({"CONTAINS", "CONTAINS_CASE_INSENSITIVE", "ENDS_WITH", "NOT_ENDS_WITH"})


@dataclass(frozen=True, slots=True)
class Column:
    """A field that may be filtered or sorted by.

    Args:
        sql: The expression; never from outside.
        read: Turns a value from outside into one of the column.
        bound: Values that the expression needs.
        sortable: False for an expression that may be NULL.
    """

    sql: str
    read: Callable[[str], Any] = str
    bound: Mapping[str, Any] = field(default_factory=dict)
    sortable: bool = True


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


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list.

    Args:
        after: Sorting column and tie of the last row of the page before.
    """

    limit: int
    after: tuple[Any, int] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that can be asked for.

    Args:
        columns, source: `SELECT columns FROM source`.
        column_of: Field → column; None for a field that cannot be used.
        tie: A unique number that orders equal rows.
    """

    columns: str
    source: str
    column_of: Callable[[str], Column | None]
    tie: str


def label_column(dialect: Dialect, labels: str, name: str) -> Column:
    """The value of one label; NULL for a row without it. The name may hold any characters."""
    # One parameter for each name, as one list may be filtered by several labels.
    parameter = f"label_{name.encode().hex()}"
    if dialect == "postgres":
        return Column(f"({labels}::json ->> :{parameter})", bound={parameter: name}, sortable=False)
    sql = f"(SELECT label.value FROM json_each({labels}) AS label WHERE label.key = :{parameter})"  # noqa: S608  a bound name
    return Column(sql, bound={parameter: name}, sortable=False)


def _value(column: Column, condition: Condition, text: str) -> Any:
    try:
        return column.read(text)
    except (ValueError, KeyError, OverflowError) as e:
        raise RpcError(f"{text[:80]!r} is no value of {condition.field[:80]}.", code="invalid_argument") from e


def _clause(dialect: Dialect, column: Column, condition: Condition, name: str, bound: dict[str, Any]) -> str:
    function, values = condition.function, condition.values
    if len(values) > MOST_VALUES:
        raise RpcError(f"A filter may have at most {MOST_VALUES} values.", code="invalid_argument")
    if function in _OPERATORS and len(values) == 1:
        bound[name] = _value(column, condition, values[0])
        return f"{column.sql} {_OPERATORS[function]} :{name}"
    if function in ("VALUE_IN", "VALUE_NOT_IN") and values:
        names = []
        for i, value in enumerate(values):
            bound[f"{name}_{i}"] = _value(column, condition, value)
            names.append(f":{name}_{i}")
        verb = "IN" if function == "VALUE_IN" else "NOT IN"
        return f"{column.sql} {verb} ({', '.join(names)})"
    if function in _PATTERNS and len(values) == 1:
        bound[name] = values[0]
        return _text_clause(dialect, column.sql, function, name)
    if function in ("EXISTS", "NOT_EXISTS"):
        return f"{column.sql} IS {'NOT ' if function == 'EXISTS' else ''}NULL"
    raise RpcError(
        f"The filter {function} on {condition.field[:80]!r} is not known, or needs values of another number.",
        code="invalid_argument",
    )


def _text_clause(dialect: Dialect, sql: str, function: str, name: str) -> str:
    # LIKE would need its wildcards escaped, and minds the case in one dialect only.
    if function == "CONTAINS":
        return f"{_POSITION[dialect]}({sql}, :{name}) > 0"
    if function == "CONTAINS_CASE_INSENSITIVE":
        return f"{_POSITION[dialect]}(LOWER({sql}), LOWER(:{name})) > 0"
    # Beyond the text's own length a negative start would count from its beginning.
    ends = f"(LENGTH({sql}) >= LENGTH(:{name}) AND SUBSTR({sql}, LENGTH({sql}) - LENGTH(:{name}) + 1) = :{name})"
    return ends if function == "ENDS_WITH" else f"NOT {ends}"


def build(
    dialect: Dialect,
    listing: Listing,
    where: Sequence[str],
    values: Mapping[str, Any],
    conditions: Sequence[Condition],
    sorting: Sorting,
    page: Page,
) -> tuple[str, dict[str, Any]]:
    """The SQL of one page, and its values. It gives one row more than the page has when there is another page.

    Args:
        where: Clauses that always hold, with their `values`.

    Raises:
        RpcError: A field, function or value cannot be used (code `invalid_argument`).
    """
    bound = dict(values)
    clauses = list(where)
    if len(conditions) > MOST_FILTERS:
        raise RpcError(f"A list may have at most {MOST_FILTERS} filters.", code="invalid_argument")
    for i, condition in enumerate(conditions):
        column = listing.column_of(condition.field)
        if column is None:
            raise RpcError(f"Lists cannot be filtered by {condition.field[:80]!r}.", code="invalid_argument")
        bound |= column.bound
        clauses.append(_clause(dialect, column, condition, f"f{i}", bound))
    column = listing.column_of(sorting.field)
    if column is None or not column.sortable:
        raise RpcError(f"Lists cannot be sorted by {sorting.field[:80]!r}.", code="invalid_argument")
    bound |= column.bound
    key, tie = column.sql, listing.tie
    direction, beyond = ("ASC", ">") if sorting.ascending else ("DESC", "<")
    if page.after is not None:
        bound["page_key"], bound["page_tie"] = page.after
        clauses.append(f"({key} {beyond} :page_key OR ({key} = :page_key AND {tie} {beyond} :page_tie))")
    bound["page_limit"] = page.limit + 1
    filtered = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    # Every part is a constant of the caller's, and every value is bound.
    selected = f"SELECT {listing.columns}, {key} AS page_key, {tie} AS page_tie FROM {listing.source}{filtered}"  # noqa: S608
    return f"{selected} ORDER BY {key} {direction}, {tie} {direction} LIMIT :page_limit", bound


def page_size(requested: int) -> int:
    """How many rows a page has."""
    return min(requested, LARGEST_PAGE) if requested > 0 else DEFAULT_PAGE
