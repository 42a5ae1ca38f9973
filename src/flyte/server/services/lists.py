"""ListRequest messages → listings, and the tokens that lead from page to page."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flyteidl2.common import list_pb2

from flyte.model.phase import ActionPhase
from flyte.server.clock import micros
from flyte.server.services.caller import invalid
from flyte.server.store.listing import Condition, Page, Sorting, page_size
from flyte.server.store.port import Row
from flyte.wire.phases import phase_to_pb

_PHASES = {int(phase_to_pb(phase)): phase.value for phase in ActionPhase}
_LARGEST = 2**63


def conditions_of(request: list_pb2.ListRequest) -> list[Condition]:
    """The filters of a request."""
    names = {value.number: value.name for value in list_pb2.Filter.Function.DESCRIPTOR.values}
    return [Condition(names.get(f.function, str(f.function)), f.field, tuple(f.values)) for f in request.filters]


def sorting_of(request: list_pb2.ListRequest, default: str, *, ascending: bool = False) -> Sorting:
    """The order of a request."""
    sort = request.sort_by_fields[0] if request.sort_by_fields else request.sort_by
    if not sort.key:
        return Sorting(default, ascending)
    return Sorting(sort.key, sort.direction == list_pb2.Sort.ASCENDING)


def page_of(request: list_pb2.ListRequest) -> Page:
    """The page that a request asks for."""
    if not request.token:
        return Page(page_size(request.limit))
    token = from_page_token(request.token)
    key, tie = token.get("key"), token.get("tie")
    if not isinstance(tie, int) or not _is_number(tie) or not (isinstance(key, str) or _is_number(key)):
        raise invalid("The page token is not one that this backend gave.")
    return Page(page_size(request.limit), after=(key, tie))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def cut(rows: list[Row], page: Page) -> tuple[list[Row], str]:
    """The rows of a page, and the token of the next; empty where there is none."""
    if len(rows) <= page.limit:
        return rows, ""
    last = rows[page.limit - 1]
    return rows[: page.limit], page_token({"key": last["page_key"], "tie": last["page_tie"]})


def phase_value(text: str) -> str:
    """A phase filter's number as a phase."""
    return _PHASES[int(text)]


def time_value(text: str) -> int:
    """An RFC 3339 time as microseconds."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("a time without its offset")
    return micros(moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00"))


def page_token(values: Mapping[str, Any]) -> str:
    """An opaque token for the next page."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def from_page_token(token: str) -> dict[str, Any]:
    """What a page token says.

    Raises:
        RpcError: It is no token of ours.
    """
    if not token:
        return {}
    try:
        values = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError) as e:
        raise invalid("The page token is not one that this backend gave.") from e
    if not isinstance(values, dict):
        raise invalid("The page token is not one that this backend gave.")
    return values
