"""The Connect transport against a server that answers what each test tells it to."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from flyteidl2.project import project_service_pb2

from flyte.client import transport as transport_module
from flyte.client.transport import Address, ConnectTransport
from flyte.errors import BackendUnreachable, RpcError


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """An HTTP/1.1 server whose answers are a list of (status, headers, body)."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.split()[1].decode()
                headers = {}
                while (header := await reader.readline()) != b"\r\n":
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(path, headers, body))
                status, extra, content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n"
                head += "".join(f"{k}: {v}\r\n" for k, v in extra.items())
                writer.write(head.encode() + b"\r\n" + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    monkeypatch.setattr(transport_module.asyncio, "sleep", sleep)
    return waits


def made(server: Server, retries: int = 3, headers: Callable[[], dict[str, str]] = dict) -> ConnectTransport:
    return ConnectTransport(Address(f"http://127.0.0.1:{server.port}"), headers, retries)


PROTO = {"content-type": "application/proto"}
REQUEST = project_service_pb2.GetProjectRequest(id="p")
ANSWER = project_service_pb2.GetProjectResponse(project=project_service_pb2.Project(id="p"))


async def test_a_call_carries_the_message_and_the_headers_of_the_protocol(server: Server) -> None:
    server.answers = [(200, PROTO, ANSWER.SerializeToString())]
    transport = made(server, headers=lambda: {"authorization": "Bearer t"})
    answer = await transport.unary("ProjectService", "GetProject", REQUEST)
    (request,) = server.requests
    assert answer.project.id == "p"
    assert request.path == "/flyteidl2.project.ProjectService/GetProject"
    assert request.body == REQUEST.SerializeToString()
    assert request.headers["content-type"] == "application/proto"
    assert request.headers["connect-protocol-version"] == "1"
    assert request.headers["authorization"] == "Bearer t"


async def test_large_requests_are_compressed(server: Server) -> None:
    server.answers = [(200, PROTO, b"")]
    large = project_service_pb2.GetProjectRequest(id="p" * 10_000)
    await made(server).unary("ProjectService", "GetProject", large)
    (request,) = server.requests
    assert request.headers["content-encoding"] == "gzip"
    assert gzip.decompress(request.body) == large.SerializeToString()


async def test_an_error_has_its_code_and_sentence(server: Server) -> None:
    body = json.dumps({"code": "not_found", "message": "There is no project p."}).encode()
    server.answers = [(404, {"content-type": "application/json"}, body)]
    with pytest.raises(RpcError, match=r"^There is no project p\.$") as caught:
        await made(server).unary("ProjectService", "GetProject", REQUEST)
    assert caught.value.code == "not_found"
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "code"), [(404, "unimplemented"), (401, "unauthenticated"), (502, "unavailable")])
async def test_an_answer_that_is_not_of_the_protocol_has_a_code_by_its_status(
    server: Server, status: int, code: str
) -> None:
    server.answers = [(status, {}, b"<html>no</html>")]
    with pytest.raises(RpcError) as caught:
        await made(server, retries=0).unary("ProjectService", "GetProject", REQUEST)
    assert caught.value.code == code


async def test_passing_trouble_is_tried_again_with_growing_waits(server: Server, no_waits: list[float]) -> None:
    busy = (503, {}, json.dumps({"code": "unavailable", "message": "busy"}).encode())
    server.answers = [busy, busy, (200, PROTO, ANSWER.SerializeToString())]
    answer = await made(server).unary("ProjectService", "GetProject", REQUEST)
    assert answer.project.id == "p"
    assert len(server.requests) == 3
    assert 0.25 <= no_waits[0] <= 0.5
    assert 0.5 <= no_waits[1] <= 1.0


async def test_trouble_that_does_not_pass_is_told_after_the_last_try(server: Server) -> None:
    server.answers = [(503, {}, json.dumps({"code": "unavailable", "message": "busy"}).encode())]
    with pytest.raises(RpcError, match="busy"):
        await made(server, retries=2).unary("ProjectService", "GetProject", REQUEST)
    assert len(server.requests) == 3


async def test_nobody_there_is_told_with_what_to_do() -> None:
    nowhere = Server(port=1)
    with pytest.raises(BackendUnreachable, match=r"No backend answers at http://127\.0\.0\.1:1") as caught:
        await made(nowhere, retries=0).unary("ProjectService", "GetProject", REQUEST)
    assert "flyte start backend" in str(caught.value.hint)


def framed(payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(payload)) + payload


STREAM = {"content-type": "application/connect+proto"}


async def read(server: Server) -> list[object]:
    from flyteidl2.workflow import run_service_pb2

    request = run_service_pb2.WatchActionDetailsRequest()
    return [m async for m in made(server).stream("RunService", "WatchActionDetails", request)]


async def test_a_stream_gives_its_messages_and_ends(server: Server) -> None:
    server.answers = [(200, STREAM, framed(b"") + framed(gzip.compress(b""), 1) + framed(b"{}", 2))]
    assert len(await read(server)) == 2


async def test_a_stream_that_ends_with_an_error_raises_it(server: Server) -> None:
    end = json.dumps({"error": {"code": "not_found", "message": "gone"}}).encode()
    server.answers = [(200, STREAM, framed(b"") + framed(end, 2))]
    with pytest.raises(RpcError, match="gone") as caught:
        await read(server)
    assert caught.value.code == "not_found"


async def test_a_stream_that_breaks_off_is_unavailable(server: Server) -> None:
    server.answers = [(200, STREAM, framed(b""))]
    with pytest.raises(RpcError) as caught:
        await read(server)
    assert caught.value.code == "unavailable"


async def test_a_connection_that_is_cut_is_told_in_the_protocols_terms() -> None:
    async def cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()

    listening = await asyncio.start_server(cut, "127.0.0.1", 0)
    server = Server(port=listening.sockets[0].getsockname()[1])
    with pytest.raises(RpcError) as caught:
        await made(server, retries=0).unary("ProjectService", "GetProject", REQUEST)
    assert caught.value.code == "unavailable"
    listening.close()


@pytest.mark.parametrize("headers", [{"content-type": "text/html"}, {}, PROTO])
async def test_an_answer_of_another_program_is_told(server: Server, headers: dict[str, str]) -> None:
    server.answers = [(200, headers, b"<html>hello</html>")]
    with pytest.raises(RpcError, match=r"answers at http://127\.0\.0\.1:\d+ is no Flyte backend") as caught:
        await made(server).unary("ProjectService", "GetProject", REQUEST)
    assert "admin.endpoint" in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("headers", [{"content-type": "text/html"}, {}])
async def test_a_stream_of_another_program_is_told(server: Server, headers: dict[str, str]) -> None:
    server.answers = [(200, headers, b"<html>hello</html>")]
    with pytest.raises(RpcError, match="is no Flyte backend") as caught:
        await read(server)
    assert caught.value.code == "unknown"


async def test_who_finds_nobody_behind_tls_is_told_of_plain_text() -> None:
    with pytest.raises(BackendUnreachable) as caught:
        await ConnectTransport(Address("https://127.0.0.1:1"), retries=0).unary("ProjectService", "GetProject", REQUEST)
    assert "--insecure" in str(caught.value.hint)


async def test_retries_below_none_are_none(server: Server) -> None:
    server.answers = [(503, {}, json.dumps({"code": "unavailable", "message": "busy"}).encode())]
    with pytest.raises(RpcError, match="busy"):
        await made(server, retries=-2).unary("ProjectService", "GetProject", REQUEST)
    assert len(server.requests) == 1
