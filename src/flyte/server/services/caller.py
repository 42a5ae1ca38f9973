"""Who calls, and how calls are refused."""

from __future__ import annotations

from dataclasses import dataclass

from flyte.errors import RpcError


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Args:
        token: The bearer token; empty for a client without one, which only loopback lets in.
        address: Where from.
        base_url: `http://host:port` under which the caller reached us.
        request_id: The client's name for this request, the same when it tries again because it heard no answer; empty
            where it gives none.
    """

    token: str
    address: str
    base_url: str
    request_id: str = ""

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
