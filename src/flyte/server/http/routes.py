"""Which part answers a request, by exact path or by one of a few prefixes."""

from __future__ import annotations

import html
import json
from collections.abc import Callable

from flyte.server.http.gate import App, Receive, Scope, Send, answer
from flyte.server.services.data import OBJECTS_PATH
from flyte.server.version import VERSION

CONSOLE_PATH = "/v2/"


class Routes:
    """See the module.

    Args:
        is_ready: True once the control plane does its work.
    """

    def __init__(self, rpc: App, objects: App, is_ready: Callable[[], bool]) -> None:
        self._rpc = rpc
        self._objects = objects
        self._is_ready = is_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if method == "POST":
            await self._rpc(scope, receive, send)
        elif path.startswith(OBJECTS_PATH):
            await self._objects(scope, receive, send)
        elif method not in ("GET", "HEAD"):
            await answer(send, 405, "Only signed uploads are put here.\n")
        elif path in ("/healthz", "/health/live"):
            await answer(send, 200, "ok\n")
        elif path in ("/readyz", "/health/ready"):
            await self._ready(send)
        elif path == "/" or path.startswith(CONSOLE_PATH):
            await answer(send, 404, _no_console(path), b"text/html; charset=utf-8")
        else:
            await answer(send, 404, "There is nothing here.\n")

    async def _ready(self, send: Send) -> None:
        ready = self._is_ready()
        body = json.dumps({"ready": ready, "version": VERSION})
        await answer(send, 200 if ready else 503, body + "\n", b"application/json")


def _no_console(path: str) -> str:
    name = html.escape(path.rstrip("/").rpartition("/")[2])
    command = f"flyte get run {name}" if "/runs/" in path else "flyte get run"
    return (
        "<!doctype html><title>flyte</title><h1>flyte</h1><p>The web console comes with a later version. "
        f"Until then: <code>{command}</code></p>\n"
    )
