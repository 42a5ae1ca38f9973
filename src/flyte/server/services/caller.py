"""What the services share: who calls, errors in the protocol's terms, times, paging."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from flyte.errors import RpcError


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Args:
        token: The bearer token; empty for a client without one, which only loopback lets in.
        address: Where from.
        base_url: `http://host:port` under which the caller reached us.
    """

    token: str
    address: str
    base_url: str

    @property
    def is_loopback(self) -> bool:
        """True for a caller on this machine."""
        host = self.address.rpartition(":")[0].strip("[]")
        return host in ("127.0.0.1", "::1", "") or host.startswith("127.")


def not_found(what: str) -> RpcError:
    """NOT_FOUND with a sentence."""
    return RpcError(what, code="not_found")


def invalid(what: str) -> RpcError:
    """INVALID_ARGUMENT with a sentence."""
    return RpcError(what, code="invalid_argument")


def stamp(at: int | None) -> Timestamp | None:
    """Microseconds as a timestamp."""
    if at is None:
        return None
    return Timestamp(seconds=at // 1_000_000, nanos=at % 1_000_000 * 1000)


def body_digest(message: Any) -> str:
    """The digest under which a message is kept."""
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


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
    except ValueError as e:
        raise invalid("The page token is not one that this backend gave.") from e
    if not isinstance(values, dict):
        raise invalid("The page token is not one that this backend gave.")
    return values
