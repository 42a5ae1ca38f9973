"""ListRequest messages → listings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flyteidl2.common import list_pb2

from flyte.server.clock import micros
from flyte.server.services.common import from_page_token
from flyte.server.store.listing import Condition, Sorting, page_size
from flyte.wire.phases import phase_from_pb


def conditions_of(request: list_pb2.ListRequest) -> list[Condition]:
    """The filters of a request."""
    return [Condition(list_pb2.Filter.Function.Name(f.function), f.field, tuple(f.values)) for f in request.filters]


def sorting_of(request: list_pb2.ListRequest, default: str, *, ascending: bool = False) -> Sorting:
    """The order of a request."""
    sort = request.sort_by_fields[0] if request.sort_by_fields else request.sort_by
    if not sort.key:
        return Sorting(default, ascending)
    return Sorting(sort.key, sort.direction == list_pb2.Sort.ASCENDING)


def window_of(request: list_pb2.ListRequest) -> tuple[int, int]:
    """Limit and offset of a request."""
    offset = from_page_token(request.token).get("offset", 0)
    return page_size(request.limit), offset if isinstance(offset, int) and offset >= 0 else 0


def phase_value(text: str) -> str:
    """A phase filter's number as a phase."""
    return phase_from_pb(int(text)).value


def time_value(text: str) -> int:
    """An RFC 3339 time as microseconds."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return micros(moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00"))


def cut(rows: list[Any], limit: int, offset: int) -> tuple[list[Any], dict[str, int] | None]:
    """The rows of a page, and where the next begins."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], {"offset": offset + limit}
