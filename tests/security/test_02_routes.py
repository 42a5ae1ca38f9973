"""Rules 2 and 3: every route lies behind the one gate, and no spelling of a path goes around it."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flyte.server.app import ControlPlane
from flyte.server.http.gate import Gate
from flyte.server.settings import ServerSettings

ROUTES = ["/", "/v2/runs/x", "/healthz", "/health/live", "/readyz", "/health/ready", "/objects/x/y", "/nothing"]


class _Idle:
    """An executor that never has a place."""

    name = "idle"

    def free(self, busy: int) -> int:
        return 0

    async def events(self) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield

    async def close(self, *, keep_tasks: bool, grace_seconds: float) -> None: ...


@contextlib.asynccontextmanager
async def control_plane(data: pathlib.Path) -> AsyncIterator[ControlPlane]:
    plane = ControlPlane(ServerSettings(data=data, port=0), _Idle())  # type: ignore[arg-type]
    await plane.open()
    try:
        yield plane
    finally:
        await plane.close()


async def ask(plane: ControlPlane, method: str, path: str, **headers: str) -> int:
    """The status of a request that is given to the application itself."""
    return (await answered(plane, method, path, **headers))[0]


async def answered(plane: ControlPlane, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Status and content type of a request that is given to the application itself."""
    answers: list[tuple[int, bytes]] = []
    given = {"host": "localhost:30080", "content_type": "application/proto", **headers}
    scope = {
        "type": "http", "method": method, "path": path, "root_path": "", "query_string": b"", "scheme": "http",
        "http_version": "1.1", "client": ("127.0.0.1", 1), "extensions": {},
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in given.items()],
    }  # fmt: skip

    whole = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not whole:
            await asyncio.Event().wait()
        return whole.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append((message["status"], dict(message["headers"]).get(b"content-type", b"")))

    assert isinstance(plane._app, Gate)
    await plane._app(scope, receive, send)
    return answers[0]


async def test_02_every_rpc_and_route_is_refused_to_a_foreign_host_and_a_foreign_origin(
    tmp_path: pathlib.Path,
) -> None:
    async with control_plane(tmp_path) as plane:
        assert len(plane.rpcs) > 30
        for path in plane.rpcs:
            assert await ask(plane, "POST", path, host="evil.example") == 421, path
            assert await ask(plane, "POST", path, origin="http://evil.example") == 403, path
            assert await ask(plane, "POST", path, sec_fetch_site="cross-site") == 403, path
            assert await ask(plane, "POST", path, content_type="text/plain") == 415, path
            assert await ask(plane, "GET", path) == 404, path
        for path in ROUTES:
            for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"):
                assert await ask(plane, method, path, host="evil.example") == 421, (method, path)
                assert await ask(plane, method, path, origin="http://evil.example") == 403, (method, path)


async def test_02_every_rpc_is_reached_by_its_exact_path_only(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        for path, is_stream in plane.rpcs.items():
            kind = "application/connect+proto" if is_stream else "application/proto"
            # What a handler does not find is 404 too, but with a sentence.
            assert (await answered(plane, "POST", path, content_type=kind))[1].startswith(b"application/"), path
            for trick in (
                f"{path}/", f"/{path}", f"{path};x", f"{path}.js", f"{path}.", path.upper(), path.lower(),
                f"{path}/health", f"/health/ready{path}", f"/v2/..{path}", f"/v2{path}", path.replace("/", "//"),
                path.replace("/", "\\"), f"{path}\0", f"{path}%00", f"{path} ", path.lstrip("/"),
            ):  # fmt: skip
                assert await ask(plane, "POST", trick, content_type=kind) == 404, trick


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/", "/Healthz", "/healthz;x", "//healthz", "/healthz%2f", "/health%2fready", "/./healthz",
        "/v2/../healthz", "/healthz.", "/readyz.js", "/objects", "/objects/", "/objects/../healthz",
        "/objects/%2e%2e/%2e%2e/etc/passwd", "/flyte.db", "/../backend.json", "/blobs/", "/static/../../x",
    ],
)  # fmt: skip
async def test_03_a_path_that_only_resembles_a_route_leads_nowhere(raw: Any, path: str) -> None:
    answer = await raw.request("GET", path)
    # A path that is the route's after decoding once is the route's.
    expected = (200,) if path == "/health%2fready" else (403, 404)
    assert answer.status in expected, answer


async def test_03_what_is_not_there_is_404_for_rpcs_too(raw: Any) -> None:
    for path in ("/flyteidl2.secret.SecretService/GetSecret", "/grpc.reflection.v1.ServerReflection/Info", "/", "/x"):
        assert (await raw.rpc(b"{}", path=path)).status == 404


@pytest.mark.parametrize(
    "kind",
    ["application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc-web+proto", "", "*/*",
     "multipart/form-data", "application/x-www-form-urlencoded", "text/plain", "application/jsonx", "text/json"],
)  # fmt: skip
async def test_03_only_the_protocols_content_types_are_taken(raw: Any, kind: str) -> None:
    assert (await raw.rpc(b"{}", kind=kind)).status == 415
