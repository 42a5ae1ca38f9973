"""Services → an ASGI application that speaks Connect, from the service table."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectrpc.code import Code
from connectrpc.compat import google_protobuf_codecs
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint

from flyte.errors import FlyteError, InvalidType, InvalidValue, RpcError, StorageError
from flyte.server.http.gate import LARGEST_BODY, Message, Receive, Scope, Send, too_large
from flyte.server.services.caller import Caller
from flyte.server.store.port import StoreCorrupt, StoreUnavailable
from flyte.wire.services import Method, methods

log = logging.getLogger("flyte.server.rpc")

_BY_KIND: tuple[tuple[type[Exception], Code], ...] = (
    (InvalidValue, Code.INVALID_ARGUMENT),
    (InvalidType, Code.INVALID_ARGUMENT),
    (StoreUnavailable, Code.UNAVAILABLE),
    (StoreCorrupt, Code.DATA_LOSS),
    (StorageError, Code.INTERNAL),
)
_CODES = frozenset(code.value for code in Code) - {Code.UNKNOWN.value, Code.CANCELED.value}


def to_connect(error: Exception) -> ConnectError:
    """Any error in the protocol's terms: a code and a sentence. Never UNKNOWN, which clients take for a sign-in."""
    if isinstance(error, ConnectError):
        return error
    if isinstance(error, RpcError) and error.code in _CODES:
        return ConnectError(Code(error.code), error.message)
    for kind, code in _BY_KIND:
        if isinstance(error, kind):
            return ConnectError(code, str(error))
    if isinstance(error, FlyteError):
        return ConnectError(Code.FAILED_PRECONDITION, error.message)
    log.error("a handler failed: %s", "".join(traceback.format_exception(error)))
    return ConnectError(Code.INTERNAL, f"The backend failed to answer ({type(error).__name__}); its log says why.")


def snake(name: str) -> str:
    """`CreateRun` → `create_run`."""
    name = name.replace("URIs", "Uris").replace("OAuth", "Oauth")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def caller_of(context: RequestContext[Any, Any], base_url: Callable[[str], str]) -> Caller:
    """Who makes a request."""
    headers = context.request_headers
    token = headers.get("authorization", "") or headers.get("flyte-authorization", "")
    return Caller(
        token=token.removeprefix("Bearer ").strip(),
        address=context.client_address or "",
        base_url=base_url(headers.get("host", "")),
        request_id=headers.get("x-request-id", ""),
    )


class OpenStreams:
    """The streams that are open, so that they can be ended when this process is asked to end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_ending = False

    def __len__(self) -> int:
        return len(self._tasks)

    def end(self) -> None:
        """End all of them with UNAVAILABLE: their clients come back to whoever answers then."""
        self.is_ending = True
        for task in self._tasks:
            task.cancel()

    def instead_of(self, error: asyncio.CancelledError) -> BaseException:
        """What a call raises whose task was cancelled: UNAVAILABLE when that was because this process ends."""
        task = asyncio.current_task()
        if not self.is_ending or task is None:
            return error
        task.uncancel()
        return ConnectError(Code.UNAVAILABLE, _ENDING)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """The present task answers with a stream."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)


_ENDING = "The backend is being stopped."


def _unary(row: Method, handle: Callable[..., Awaitable[Any]], site: _Site) -> Any:
    async def call(request: Any, context: RequestContext[Any, Any]) -> Any:
        try:
            return await handle(request, caller_of(context, site.base_url))
        except asyncio.CancelledError as e:
            raise site.streams.instead_of(e) from None
        except Exception as e:
            raise to_connect(e) from e

    return Endpoint.unary(_info(row, StreamType.UNARY), call)


def _stream(row: Method, handle: Callable[..., AsyncGenerator[Any, None]], site: _Site) -> Any:
    async def call(request: Any, context: RequestContext[Any, Any]) -> AsyncIterator[Any]:
        if site.streams.is_ending:
            raise ConnectError(Code.UNAVAILABLE, _ENDING)
        try:
            # Closed here and now, not when the garbage is collected: what the handler listens to is let go of.
            async with contextlib.aclosing(handle(request, caller_of(context, site.base_url))) as messages:
                with site.streams.one():
                    async for message in messages:
                        yield message
        except asyncio.CancelledError as e:
            raise site.streams.instead_of(e) from None
        except Exception as e:
            raise to_connect(e) from e

    return Endpoint.server_stream(_info(row, StreamType.SERVER_STREAM), call)


def _info(row: Method, kind: StreamType) -> MethodInfo[Any, Any]:
    return MethodInfo(
        name=row.name,
        service_name=row.path.split("/")[1],
        input=row.request,
        output=row.response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


class _BoundedGzip(GzipCompression):
    """Gzip whose contents have the same bound as a body that was not compressed."""

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        try:
            return super().decompress(data, LARGEST_BODY)
        except ConnectError as e:
            raise too_large(LARGEST_BODY) from e


@dataclass(frozen=True, slots=True)
class _Site:
    base_url: Callable[[str], str]
    streams: OpenStreams


class _Application(ConnectASGIApplication[None]):
    @property
    def path(self) -> str:
        return "/"


class RpcApplication:
    """The services of one table as an ASGI application.

    Attributes:
        paths: Every RPC that is there, and whether its answer is a stream.
        streams: The streams that are open.
    """

    def __init__(self, endpoints: Mapping[str, Any], paths: Mapping[str, bool], streams: OpenStreams) -> None:
        self.paths = paths
        self.streams = streams
        self._app: Any = _Application(
            service=None,
            endpoints=lambda _: endpoints,
            codecs=google_protobuf_codecs(),
            compressions=[_BoundedGzip(level=1)],
            read_max_bytes=None,  # the gate bounds the body, and decompression has its own bound
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()

        async def unless_cut(message: Message) -> None:
            # A stream that is cut while its client is slow would be told CANCELED: better to hear nothing.
            if self.streams.is_ending and task is not None and task.cancelling():
                raise ConnectionResetError
            await send(message)

        await self._app(scope, receive, unless_cut)


def rpc_application(services: Mapping[str, object], base_url: Callable[[str], str]) -> RpcApplication:
    """One application for all services; a method that a service does not have is not there (UNIMPLEMENTED).

    Args:
        services: Short name of a service → the object that has its methods in snake case.
        base_url: Host header → the address under which the caller reached us.
    """
    streams = OpenStreams()
    site = _Site(base_url, streams)
    endpoints: dict[str, Any] = {}
    paths: dict[str, bool] = {}
    for service, implementation in services.items():
        for row in methods(service).values():
            handle = getattr(implementation, snake(row.name), None)
            if handle is not None:
                make = _stream if row.streams else _unary
                endpoints[row.path] = make(row, handle, site)
                paths[row.path] = row.streams
    return RpcApplication(endpoints, paths, streams)
