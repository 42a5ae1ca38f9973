"""The port to a backend's RPCs, and its adapter: Connect over HTTP (wire_protocol §1).

Written on `pyqwest` alone, because a cold task process would otherwise spend a tenth of a second on importing a
client runtime: unary calls and server streams are all that the protocol needs.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from flyte.errors import BackendUnreachable, RpcError
from flyte.leaving import settle_at_exit
from flyte.wire.services import Method, method

_RETRIED = frozenset({"unavailable", "resource_exhausted", "internal"})
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 10.0
_COMPRESS_ABOVE_BYTES = 4096

_CODE_OF_STATUS = {
    400: "internal", 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented",
    429: "unavailable", 502: "unavailable", 503: "unavailable", 504: "unavailable",
}  # fmt: skip


class Transport(Protocol):
    """Carries requests to one backend. May be used from any event loop of the process."""

    async def unary(self, service: str, name: str, request: Any, *, timeout: float | None = None) -> Any:
        """Call a method and give back its answer.

        Args:
            timeout: Seconds until the call is given up with code `deadline_exceeded`; None for no bound.

        Raises:
            BackendUnreachable: Nothing answers at the address, after the retries.
            RpcError: The backend refused or failed the call; `code` is the Connect code.
        """
        ...

    def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
        """Call a streaming method and iterate over its answers. Not retried: the caller knows where it was.

        Raises:
            BackendUnreachable, RpcError: As `unary`, also in the middle of the stream.
        """
        ...


@dataclass(frozen=True)
class Address:
    """Where a backend is.

    Args:
        base: `http(s)://host:port`.
        ca_cert: A PEM file with further certificate authorities.
    """

    base: str
    ca_cert: bytes | None = None


class ConnectTransport:
    """See `Transport`.

    Args:
        address: The backend.
        headers: Gives the headers of each request, credentials among them.
        retries: How often a unary call is tried again on `unavailable`, `resource_exhausted` and `internal`.
    """

    def __init__(self, address: Address, headers: Callable[[], dict[str, str]] = dict, retries: int = 3) -> None:
        self._base = address.base.rstrip("/")
        self._ca_cert = address.ca_cert
        self._headers = headers
        self._retries = max(0, retries)

    @cached_property
    def _client(self) -> Any:
        """The HTTP client, made when it is first needed: a task without children never needs one."""
        from pyqwest import Client, HTTPTransport

        settle_at_exit()
        return Client(
            HTTPTransport(
                tls_ca_cert=self._ca_cert,
                tls_include_system_certs=self._base.startswith("https:"),
                enable_otel=False,
                pool_max_idle_per_host=64,
            )
        )

    async def unary(self, service: str, name: str, request: Any, *, timeout: float | None = None) -> Any:
        row = method(service, name)
        request_id = str(uuid.uuid4())  # the same for all tries, so that the backend knows one from a new request
        for attempt in range(self._retries + 1):
            try:
                return await self._once(row, request, timeout, request_id)
            except RpcError as e:
                if e.code not in _RETRIED or attempt == self._retries:
                    raise
            wait = min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  jitter
        raise AssertionError("unreachable")

    async def _once(self, row: Method, request: Any, timeout: float | None, request_id: str) -> Any:
        body = request.SerializeToString()
        headers = {**self._common(request_id), "content-type": "application/proto", "accept-encoding": "gzip,identity"}
        if len(body) > _COMPRESS_ABOVE_BYTES:
            import gzip

            body = gzip.compress(body, compresslevel=1)
            headers["content-encoding"] = "gzip"
        if timeout is not None:
            headers["connect-timeout-ms"] = str(int(timeout * 1000))
        try:
            async with asyncio.timeout(timeout):
                answer = await self._client.execute("POST", self._base + row.path, headers, body)
        except TimeoutError as e:
            raise RpcError(f"{row.path} was not answered within {timeout} seconds.", code="deadline_exceeded") from e
        except http_errors() as e:
            raise self._unreachable(e) from e
        content = bytes(answer.content)
        if answer.status != 200:
            raise _error_of_unary(answer.status, content, row.path)
        if not str(answer.headers.get("content-type", "")).startswith("application/proto"):
            raise self._no_backend(row)
        return self._parsed(row, content)

    async def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
        row = method(service, name)
        body = request.SerializeToString()
        headers = {**self._common(str(uuid.uuid4())), "content-type": "application/connect+proto"}
        framed = struct.pack(">BI", 0, len(body)) + body
        opened = False
        try:
            async with self._client.stream("POST", self._base + row.path, headers, framed) as response:
                opened = True
                if response.status != 200:
                    content = b"".join([bytes(part) async for part in response.content])
                    raise _error_of_unary(response.status, content, row.path)
                if not str(response.headers.get("content-type", "")).startswith("application/connect+proto"):
                    raise self._no_backend(row)
                async for flags, payload in _envelopes(response.content):
                    if flags & 0x02:
                        _raise_end_of_stream(payload, row.path)
                        return
                    yield self._parsed(row, payload)
        except http_errors() as e:
            if not opened:
                raise self._unreachable(e) from e
            raise RpcError(f"The stream {row.path} broke: {e}", code="unavailable") from e
        raise RpcError(f"The stream {row.path} ended without its last message.", code="unavailable")

    def _common(self, request_id: str) -> dict[str, str]:
        return {
            "connect-protocol-version": "1",
            "user-agent": "flyte-py",
            "x-request-id": request_id,
            **self._headers(),
        }

    def _parsed(self, row: Method, content: bytes) -> Any:
        from google.protobuf.message import DecodeError

        message = row.response()
        try:
            message.ParseFromString(content)
        except DecodeError as e:
            raise self._no_backend(row) from e
        return message

    def _no_backend(self, row: Method) -> RpcError:
        return RpcError(
            f"What answers at {self._base} is no Flyte backend: its answer to {row.path} is not of the protocol. "
            "Check admin.endpoint in your configuration.",
            code="unknown",
        )

    def _unreachable(self, cause: BaseException) -> BackendUnreachable:
        plain = " For one without TLS give --insecure, or set admin.insecure." if self._base[:6] == "https:" else ""
        return BackendUnreachable(
            f"No backend answers at {self._base}.",
            hint=f"Start one with `flyte start backend`, or check admin.endpoint in your configuration.{plain}",
        )


def http_errors() -> tuple[type[Exception], ...]:
    """What the HTTP client raises when there is no connection, or an answer breaks off or is none."""
    import pyqwest

    return (OSError, pyqwest.ReadError, pyqwest.WriteError, pyqwest.RemoteProtocolError, pyqwest.StreamError)


async def _envelopes(chunks: AsyncIterator[Any]) -> AsyncIterator[tuple[int, bytes]]:
    """Cut a body into its envelopes: a flag byte, four bytes of length, the payload."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 5:
            flags, length = struct.unpack_from(">BI", buffer)
            if len(buffer) < 5 + length:
                break
            payload = bytes(buffer[5 : 5 + length])
            del buffer[: 5 + length]
            if flags & 0x01:
                import gzip

                payload = gzip.decompress(payload)
            yield flags, payload


def _error_of_unary(status: int, content: bytes, path: str) -> RpcError:
    try:
        data = json.loads(content)
        return RpcError(str(data.get("message") or f"{path} failed."), code=str(data["code"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        code = _CODE_OF_STATUS.get(status, "unknown")
        text = "is not offered by this backend" if code == "unimplemented" else f"failed with HTTP status {status}"
        return RpcError(f"{path} {text}.", code=code)


def _raise_end_of_stream(payload: bytes, path: str) -> None:
    error = json.loads(payload or b"{}").get("error")
    if error:
        raise RpcError(str(error.get("message") or f"{path} failed."), code=str(error.get("code", "unknown")))
