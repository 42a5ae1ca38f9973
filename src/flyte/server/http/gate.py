"""The one gate: what reaches any route has passed it.

A browser on this machine can be made to send requests here by any page that its user opens. So the Host must be
ours (against DNS rebinding), a foreign Origin is refused, methods and content types are those of the protocol, and
bodies have bounds. Nothing is ever allowed by CORS.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError

log = logging.getLogger("flyte.server.http")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of an RPC's body, before and after decompression."""
LARGEST_JSON_BODY = 8 * 1024 * 1024
"""The same for JSON, whose objects take far more memory than their text."""
MOST_HEADERS, LARGEST_HEADERS = 100, 32 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
_RPC_TYPES = frozenset(
    {"application/proto", "application/json", "application/connect+proto", "application/connect+json"}
)
_AUTHORITY = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further.

    Args:
        code: The Connect code, for clients that speak the protocol.
    """

    status: int
    code: str
    text: str


async def answer(
    send: Send,
    status: int,
    text: str,
    content_type: bytes = b"text/plain; charset=utf-8",
    *extra: tuple[bytes, bytes],
) -> None:
    """Send a short response."""
    body = text.encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        *SAFE_HEADERS,
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


def _media_type(scope: Scope) -> str:
    types = _header(scope, b"content-type")
    return types[0].decode("latin-1").split(";")[0].strip().lower() if len(types) == 1 else ""


class Gate:
    """See the module.

    Args:
        app: What is behind the gate.
        hosts: Host names that are ours, IPv6 addresses in brackets.
    """

    def __init__(self, app: App, hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "[::1]"})) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(scope, send, refusal)
            return
        try:
            await self._app(scope, self._bounded(scope, receive), send)
        except Exception:
            # Raised again it would only make the server drop the connection; the RPC adapter has answered already.
            log.exception("a request to %s failed", ascii(scope.get("path"))[:200])

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = scope["headers"]
        if len(headers) > MOST_HEADERS or sum(len(k) + len(v) for k, v in headers) > LARGEST_HEADERS:
            return Refusal(431, "invalid_argument", "The request has more headers than allowed.")
        if not all(_is_text(key) and _is_text(value) for key, value in headers):
            return Refusal(400, "invalid_argument", "A header of the request is not text.")
        hosts = [host.decode().lower() for host in _header(scope, b"host")]
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return Refusal(421, "permission_denied", "This backend does not answer under that host name.")
        if any(origin.decode().lower() != f"http://{hosts[0]}" for origin in _header(scope, b"origin")):
            return Refusal(403, "permission_denied", "Requests from other origins are refused.")
        sites = _header(scope, b"sec-fetch-site")
        if any(site not in (b"same-origin", b"none") for site in sites) and not _is_followed_link(scope):
            return Refusal(403, "permission_denied", "Requests from other sites are refused.")
        if scope["method"] not in _METHODS:
            return Refusal(405, "unimplemented", f"The method {scope['method'][:20]} is not used here.")
        if any(b"websocket" in value.lower() for value in _header(scope, b"upgrade")):
            return Refusal(403, "permission_denied", "There are no web sockets here.")
        return _rpc_refusal(scope) if scope["method"] == "POST" else None

    def _is_ours(self, host: str) -> bool:
        authority = _AUTHORITY.fullmatch(host)
        return authority is not None and authority["name"] in self._hosts

    @staticmethod
    def _bounded(scope: Scope, receive: Receive) -> Receive:
        if scope["method"] != "POST":
            return receive  # uploads have the bound of their own grant
        largest, received = largest_body(scope), 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest:
                raise too_large(largest)
            return message

        return bounded


def largest_body(scope: Scope) -> int:
    """How many bytes the body of an RPC may have."""
    return LARGEST_JSON_BODY if _media_type(scope).endswith("json") else LARGEST_BODY


def too_large(largest: int) -> ConnectError:
    """What a request with a larger body gets. Not RESOURCE_EXHAUSTED, which clients take for `again, later`."""
    return ConnectError(Code.INVALID_ARGUMENT, f"The request is larger than {largest:,} bytes.")


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_followed_link(scope: Scope) -> bool:
    """True for somebody who clicked on a link to us on another site. The page behind the link learns nothing of it."""
    return (
        scope["method"] == "GET"
        and _header(scope, b"sec-fetch-mode") == [b"navigate"]
        and _header(scope, b"sec-fetch-dest") == [b"document"]
    )


def _rpc_refusal(scope: Scope) -> Refusal | None:
    if _media_type(scope) not in _RPC_TYPES:
        text = "RPCs are sent as application/proto, application/json or their streaming forms."
        return Refusal(415, "invalid_argument", text)
    lengths, largest = _header(scope, b"content-length"), largest_body(scope)
    if lengths and (not lengths[0].isdigit() or int(lengths[0]) > largest):
        return Refusal(413, "invalid_argument", f"The request is larger than {largest:,} bytes.")
    return None


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    # A client of the protocol takes a refusal without a code for UNKNOWN, and that for the wish that it sign in.
    if scope["method"] == "POST" and refusal.status != 415:
        body = json.dumps({"code": refusal.code, "message": refusal.text})
        await answer(send, refusal.status, body, b"application/json")
    else:
        await answer(send, refusal.status, refusal.text + "\n")
