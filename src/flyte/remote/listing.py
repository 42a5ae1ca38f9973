"""Lists from the backend: filters, order and pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal

from flyteidl2.common import list_pb2

from flyte.errors import InvalidValue
from flyte.model.phase import ActionPhase
from flyte.wire.phases import phase_to_pb

PAGE = 100
SortBy = tuple[str, Literal["asc", "desc"]]


@dataclass
class TimeFilter:
    """A span of time: from `after`, inclusive, to `before`, exclusive."""

    after: dt.datetime | None = None
    before: dt.datetime | None = None


def phase_filter(phases: tuple[ActionPhase | str, ...] | ActionPhase | str | None) -> list[list_pb2.Filter]:
    """Only these phases; a single one may stand for itself.

    Raises:
        InvalidValue: A phase that does not exist.
    """
    if not phases:
        return []
    phases = (phases,) if isinstance(phases, str) else phases
    try:
        numbers = [str(int(phase_to_pb(ActionPhase(phase)))) for phase in phases]
    except ValueError as e:
        known = ", ".join(phase.value for phase in ActionPhase)
        raise InvalidValue(f"{e}. Phases are: {known}.") from e
    return [list_pb2.Filter(function=list_pb2.Filter.VALUE_IN, field="phase", values=numbers)]


def equal(field: str, value: str | None) -> list[list_pb2.Filter]:
    """Only rows with this value; no filter for None."""
    if value is None:
        return []
    return [list_pb2.Filter(function=list_pb2.Filter.EQUAL, field=field, values=[value])]


def time_filter(field: str, span: TimeFilter | None) -> list[list_pb2.Filter]:
    """Only rows within a span of time."""
    filters = []
    bounds = (("after", list_pb2.Filter.GREATER_THAN_OR_EQUAL), ("before", list_pb2.Filter.LESS_THAN))
    for name, function in bounds:
        moment = getattr(span, name, None)
        if moment is not None:
            aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
            filters.append(list_pb2.Filter(function=function, field=field, values=[aware.isoformat()]))
    return filters


def label_filters(labels: dict[str, str] | None, keys: list[str] | None) -> list[list_pb2.Filter]:
    """Only runs with these labels."""
    filters = [equal(f"labels.{key}", value)[0] for key, value in (labels or {}).items()]
    filters += [list_pb2.Filter(function=list_pb2.Filter.EXISTS, field=f"labels.{key}") for key in keys or []]
    return filters


def list_request(filters: list[list_pb2.Filter], sort_by: SortBy | None, default: SortBy, limit: int) -> Any:
    """The first page's request.

    Raises:
        InvalidValue: The limit is negative, or the order is not a key with `"asc"` or `"desc"`.
    """
    if limit < 0:
        raise InvalidValue(f"limit must be zero or more, not {limit}.")
    order = sort_by or default
    if len(order) != 2 or order[1] not in ("asc", "desc"):
        raise InvalidValue(f"sort_by must be (key, 'asc') or (key, 'desc'), not {order!r}.")
    key, direction = order
    sort = list_pb2.Sort(key=key, direction=list_pb2.Sort.ASCENDING if direction == "asc" else list_pb2.Sort.DESCENDING)
    return list_pb2.ListRequest(limit=min(limit, PAGE), sort_by=sort, filters=filters)


async def pages(
    fetch: Callable[[Any], Any], request: Any, rows: Callable[[Any], Any], limit: int
) -> AsyncIterator[Any]:
    """Rows of page after page, up to a limit."""
    given = 0
    while given < limit:
        answer = await fetch(request)
        for row in rows(answer):
            yield row
            given += 1
            if given >= limit:
                return
        token = answer.token if hasattr(answer, "token") else answer.projects.token
        if not token:
            return
        request.token = token
