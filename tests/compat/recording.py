"""A server that answers just enough for a client to submit, and keeps every request that it gets.

It speaks Connect straight on ASGI, from the service table of the product, and knows nothing of the backend. Task
processes may enqueue children here: each is recorded and reported as failed at once, so that a parent that expects
failures runs to its end.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import pathlib
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from flyte.wire.services import MODULES, Method, methods

_END_OF_STREAM = 0x02
_COMPRESSED = 0x01


@dataclass(frozen=True)
class Recorded:
    """One request."""

    method: str
    message: Any


@dataclass
class Recorder:
    """The server.

    Args:
        folder: Uploaded files are kept here, under `file://` addresses.
    """

    folder: pathlib.Path
    port: int = 0
    requests: list[Recorded] = field(default_factory=list)
    _watchers: dict[str, list[asyncio.Queue[Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._rows = {row.path: row for service in MODULES for row in methods(service).values()}

    def of(self, method: str, project: str) -> list[Any]:
        """The recorded messages of a method that concern a project, oldest first."""
        return [r.message for r in self.requests if r.method == method and project_of(r.message) == project]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _body(receive)
        path = scope["path"]
        if scope["method"] == "PUT":
            target = self.folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
            await _respond(send, 200, b"", "text/plain")
            return
        row = self._rows.get(path)
        answer = getattr(self, f"_{row.name}", None) if row is not None else None
        if row is None or answer is None:
            await _respond(send, 404, b'{"code":"unimplemented","message":"not recorded"}', "application/json")
            return
        if row.streams:
            await self._stream(row, body, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding") == b"gzip":
            body = gzip.decompress(body)
        request = row.request.FromString(body)
        self.requests.append(Recorded(row.name, request))
        await _respond(send, 200, answer(row, request).SerializeToString(), "application/proto")

    def _SelectCluster(self, row: Method, request: Any) -> Any:
        return row.response()

    def _CreateUploadLocation(self, row: Method, request: Any) -> Any:
        key = f"upload/{request.project}/{request.filename}"
        return row.response(
            signed_url=f"http://127.0.0.1:{self.port}/{key}", native_url=(self.folder / key).resolve().as_uri()
        )

    def _UploadInputs(self, row: Method, request: Any) -> Any:
        response = row.response()
        response.offloaded_input_data.uri = "file:///recorded/inputs"
        response.offloaded_input_data.inputs_hash = "recorded"
        return response

    def _CreateRun(self, row: Method, request: Any) -> Any:
        response = row.response()
        action = response.run.action.id
        action.name = "a0"
        action.run.org, action.run.project, action.run.domain = "local", project_of(request), "development"
        action.run.name = request.run_id.name or "rrecorded"
        return response

    def _DeployTask(self, row: Method, request: Any) -> Any:
        return row.response()

    def _Enqueue(self, row: Method, request: Any) -> Any:
        for queue in self._watchers[request.action.action_id.run.name]:
            queue.put_nowait(request.action.action_id)
        return row.response()

    async def _stream(self, row: Method, body: bytes, send: Any) -> None:
        flags, length = struct.unpack(">BI", body[:5])
        data = body[5 : 5 + length]
        request = row.request.FromString(gzip.decompress(data) if flags & _COMPRESSED else data)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._watchers[request.parent_action_id.run.name].append(queue)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/connect+proto")],
            }
        )

        async def put(message: Any) -> None:
            payload = message.SerializeToString()
            envelope = struct.pack(">BI", 0, len(payload)) + payload
            await send({"type": "http.response.body", "body": envelope, "more_body": True})

        sentinel = row.response()
        sentinel.control_message.sentinel = True
        await put(sentinel)
        while True:
            try:
                action = await queue.get()
            except asyncio.CancelledError:  # the recorder ends
                return
            update = row.response()
            update.action_update.action_id.CopyFrom(action)
            update.action_update.phase = 6  # FAILED
            update.action_update.error.code = "Recorded"
            update.action_update.error.message = "recorded, not executed"
            update.action_update.error.kind = 1  # USER
            await put(update)

    def _WatchForUpdates(self) -> None:
        """Present in the table of answers; the stream itself is `_stream`."""


def project_of(message: Any) -> str:
    """The project that a request concerns; empty where it names none."""
    for path in ("project_id.name", "run_id.project", "task_id.project", "action.action_id.run.project", "project"):
        value = message
        for part in path.split("."):
            value = getattr(value, part, None)
            if value is None:
                break
        if isinstance(value, str) and value:
            return value
    return ""


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(send: Any, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def recording(folder: pathlib.Path) -> Iterator[Recorder]:
    """A running recorder on a free port of the loopback."""
    recorder = Recorder(folder)
    config = uvicorn.Config(
        recorder, host="127.0.0.1", port=0, log_level="error", lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    started = threading.Event()
    server.startup = _signalling(server.startup, started)  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, name="recorder", daemon=True)
    thread.start()
    assert started.wait(20), "the recorder did not start"
    recorder.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.should_exit = True
        thread.join(20)


def _signalling(startup: Callable[..., Any], event: threading.Event) -> Callable[..., Any]:
    async def signalled(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        event.set()

    return signalled


def client_config(folder: pathlib.Path, port: int, project: str) -> pathlib.Path:
    """A configuration file for a client of a server on the loopback."""
    path = folder / f"{project}.yaml"
    path.write_text(
        json.dumps(
            {
                "admin": {"endpoint": f"dns:///127.0.0.1:{port}", "insecure": True},
                "image": {"builder": "local"},
                "task": {"org": "local", "project": project, "domain": "development"},
            }
        )
    )
    return path
