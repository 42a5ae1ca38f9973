"""Services → an ASGI application that speaks Connect, from the service table."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.compat import google_protobuf_codecs
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint

from flyte.errors import FlyteError, InvalidType, InvalidValue, RpcError, StorageError
from flyte.server.http.gate import LARGEST_BODY
from flyte.server.services.common import Caller
from flyte.server.store.port import StoreUnavailable
from flyte.wire.services import Method, methods

log = logging.getLogger("flyte.server.rpc")

_BY_KIND: tuple[tuple[type[Exception], Code], ...] = (
    (InvalidValue, Code.INVALID_ARGUMENT),
    (InvalidType, Code.INVALID_ARGUMENT),
    (StoreUnavailable, Code.UNAVAILABLE),
    (StorageError, Code.INTERNAL),
)


def to_connect(error: Exception) -> ConnectError:
    """Any error in the protocol's terms: a code and a sentence. Never UNKNOWN, which clients take for a sign-in."""
    if isinstance(error, ConnectError):
        return error
    if isinstance(error, RpcError):
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
    )


def _unary(row: Method, handle: Callable[..., Awaitable[Any]], base_url: Callable[[str], str]) -> Any:
    async def call(request: Any, context: RequestContext[Any, Any]) -> Any:
        try:
            return await handle(request, caller_of(context, base_url))
        except Exception as e:
            raise to_connect(e) from e

    return Endpoint.unary(_info(row, StreamType.UNARY), call)


def _stream(row: Method, handle: Callable[..., AsyncIterator[Any]], base_url: Callable[[str], str]) -> Any:
    async def call(request: Any, context: RequestContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            async for message in handle(request, caller_of(context, base_url)):
                yield message
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


class _Application(ConnectASGIApplication[None]):
    @property
    def path(self) -> str:
        return "/"


def rpc_application(services: Mapping[str, object], base_url: Callable[[str], str]) -> Any:
    """One application for all services; a method that a service does not have is not there (UNIMPLEMENTED).

    Args:
        services: Short name of a service → the object that has its methods in snake case.
        base_url: Host header → the address under which the caller reached us.
    """
    endpoints: dict[str, Any] = {}
    for service, implementation in services.items():
        for row in methods(service).values():
            handle = getattr(implementation, snake(row.name), None)
            if handle is not None:
                make = _stream if row.streams else _unary
                endpoints[row.path] = make(row, handle, base_url)
    return _Application(
        service=None,
        endpoints=lambda _: endpoints,
        codecs=google_protobuf_codecs(),
        read_max_bytes=LARGEST_BODY,
    )
