"""The HTTP server around the application: its limits, and how it ends.

Clients of the protocol take CANCELED for a wish of their own and never come back, so an answer that the end of
this process interrupts must be UNAVAILABLE or a broken connection. Streams, which would last for ever, are ended
first; other requests get a moment to finish.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from flyte.server.http.connection import BoundedHttpProtocol
from flyte.server.http.gate import App
from flyte.server.http.rpc import OpenStreams

_MOMENT_SECONDS = 1


class HttpServer(uvicorn.Server):
    """Serves one application on sockets that are given to it. Leaves signals to whoever runs it."""

    def __init__(self, app: App, streams: OpenStreams) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_MOMENT_SECONDS,
            server_header=False,
        )
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
