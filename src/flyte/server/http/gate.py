"""The one gate: what reaches any route has passed it.

A browser on this machine can be made to send requests here by any page that its user opens. So the Host must be
ours (against DNS rebinding), a foreign Origin is refused, methods and content types are those of the protocol, and
bodies have bounds. Nothing is ever allowed by CORS.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger("flyte.server.http")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of an RPC's body, before and after decompression."""
MOST_HEADERS, LARGEST_HEADERS = 100, 32 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
_RPC_TYPES = frozenset(
    {"application/proto", "application/json", "application/connect+proto", "application/connect+json"}
)
_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


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
        *_SAFE_HEADERS,
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


class Gate:
    """See the module.

    Args:
        app: What is behind the gate.
        hosts: Host names that are ours.
    """

    def __init__(self, app: App, hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            status, text = refusal
            await answer(send, status, text + "\n")
            return
        try:
            await self._app(scope, self._bounded(scope, receive), send)
        except _TooLarge:
            await answer(send, 413, "The request is larger than allowed.\n")
        except Exception:
            # Raised again it would only make the server drop the connection; the RPC adapter has answered already.
            log.exception("a request to %s failed", scope.get("path"))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if scope["method"] not in _METHODS:
            return 405, f"The method {scope['method'][:20]} is not used here."
        headers = scope["headers"]
        if len(headers) > MOST_HEADERS or sum(len(k) + len(v) for k, v in headers) > LARGEST_HEADERS:
            return 431, "The request has more headers than allowed."
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or not self._is_ours(hosts[0].decode("latin-1")):
            return 421, "This backend does not answer under that host name."
        for origin in _header(scope, b"origin"):
            if not self._is_same(origin.decode("latin-1"), hosts[0].decode("latin-1")):
                return 403, "Requests from other origins are refused."
        if _header(scope, b"sec-fetch-site") and _header(scope, b"sec-fetch-site")[0] not in (
            b"same-origin",
            b"none",
        ):
            return 403, "Requests from other sites are refused."
        if scope["method"] == "POST":
            return self._rpc_refusal(scope)
        return None

    @staticmethod
    def _rpc_refusal(scope: Scope) -> tuple[int, str] | None:
        types = _header(scope, b"content-type")
        kind = types[0].decode("latin-1").split(";")[0].strip().lower() if len(types) == 1 else ""
        if kind not in _RPC_TYPES:
            return 415, "RPCs are sent as application/proto, application/json or their streaming forms."
        lengths = _header(scope, b"content-length")
        if lengths and (not lengths[0].isdigit() or int(lengths[0]) > LARGEST_BODY):
            return 413, f"The request is larger than {LARGEST_BODY:,} bytes."
        return None

    def _is_ours(self, host: str) -> bool:
        parts = urlsplit(f"//{host}")
        try:
            _ = parts.port
        except ValueError:
            return False
        return parts.username is None and not parts.path and (parts.hostname or "") in self._hosts

    @staticmethod
    def _is_same(origin: str, host: str) -> bool:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    @staticmethod
    def _bounded(scope: Scope, receive: Receive) -> Receive:
        if scope["method"] != "POST":
            return receive  # uploads have the bound of their own grant
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise _TooLarge
            return message

        return bounded


class _TooLarge(Exception):
    """More was sent than is allowed."""
