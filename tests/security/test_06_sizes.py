"""Rule 6: no request takes the backend down, however large, deep, slow or malformed it is."""

from __future__ import annotations

import asyncio
import gzip
import json
import pathlib
import struct
import zlib
from typing import Any

import pytest

from flyte.server.http.gate import LARGEST_BODY, LARGEST_JSON_BODY
from tests.security.conftest import LIST_RUNS, WATCH

PROJECT = b'{"projectId": {"name": "flytesnacks", "domain": "development"}}'
CREATE = "/flyteidl2.workflow.RunService/CreateRun"


def memory(raw: Any) -> int:
    """Bytes that the backend holds at most so far."""
    status = pathlib.Path(f"/proc/{raw.backend.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def chunked(path: str, kind: str, host: str, total: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    return head.encode() + chunk * (total // 0x100000) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("kind", "largest"), [("application/json", LARGEST_JSON_BODY), ("application/proto", LARGEST_BODY)]
)
async def test_06_a_body_over_the_limit_is_refused_by_its_announced_length(raw: Any, kind: str, largest: int) -> None:
    for length in (largest + 1, 10**9, 10**30):
        head = (
            f"POST {LIST_RUNS} HTTP/1.1\r\nhost: {raw.host}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        )
        answer = await raw.send(head.encode())
        assert answer.status in (400, 413), answer
    assert await raw.is_well()


@pytest.mark.parametrize(
    ("path", "kind", "largest"),
    [
        (LIST_RUNS, "application/json", LARGEST_JSON_BODY),
        (LIST_RUNS, "application/proto", LARGEST_BODY),
    ],
)
async def test_06_a_body_over_the_limit_is_refused_when_its_length_is_not_announced(
    raw: Any, path: str, kind: str, largest: int
) -> None:
    answer = await raw.send(chunked(path, kind, raw.host, largest + 0x200000))
    assert answer.status == 400 and answer.code == "invalid_argument" and b"larger than" in answer.body
    assert await raw.is_well()


async def test_06_an_endless_envelope_is_refused_at_the_limit(raw: Any) -> None:
    claim = struct.pack(">BI", 0, 0xFFFFFFFF)
    body = chunked(WATCH, "application/connect+json", raw.host, LARGEST_JSON_BODY + 0x200000)
    answer = await raw.send(body.replace(b"\r\n\r\n100000\r\n" + b"a" * 5, b"\r\n\r\n100000\r\n" + claim, 1))
    assert answer.status == 200 and b"invalid_argument" in answer.body and b"larger than" in answer.body
    short = await raw.rpc(claim + b"x", "application/connect+proto", WATCH)
    assert b"invalid_argument" in short.body
    assert await raw.is_well()


async def test_06_a_million_headers_are_refused(raw: Any) -> None:
    before = memory(raw)
    head = f"GET /healthz HTTP/1.1\r\nhost: {raw.host}\r\n".encode()
    answer = await raw.send(head + b"".join(b"x-%d: y\r\n" % i for i in range(1_000_000)) + b"\r\n")
    assert answer.status in (0, 400, 431)
    answer = await raw.send(head + b"x-long: " + b"y" * 50_000_000)
    assert answer.status in (0, 400, 431)
    answer = await raw.send(b"GET /" + b"y" * 50_000_000)
    assert answer.status in (0, 400, 431)
    assert memory(raw) - before < 50_000_000
    assert await raw.is_well()


async def test_06_a_few_more_headers_than_allowed_are_refused_with_a_sentence(raw: Any) -> None:
    for headers in ({f"x-{i}": "y" for i in range(150)}, {"x-long": "y" * 40_000}):
        answer = await raw.rpc(PROJECT, **headers)
        assert answer.status == 431 and answer.code == "invalid_argument"


async def test_06_a_compressed_bomb_is_bounded_after_decompression(raw: Any) -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 9)
    assert len(bomb) < 300_000
    before = memory(raw)
    answer = await raw.rpc(bomb, "application/proto", **{"content-encoding": "gzip"})
    assert answer.status == 400 and answer.code == "invalid_argument" and b"larger than" in answer.body
    body = struct.pack(">BI", 1, len(bomb)) + bomb
    answer = await raw.rpc(body, "application/connect+proto", WATCH, **{"connect-content-encoding": "gzip"})
    assert b"invalid_argument" in answer.body and b"larger than" in answer.body
    assert memory(raw) - before < 4 * LARGEST_BODY
    assert await raw.is_well()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4]),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"trailing"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("br", b"x"),
        ("deflate", zlib.compress(b"{}")),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
        ("../gzip", b"x"),
    ],
)
async def test_06_a_body_in_no_known_compression_is_refused(raw: Any, encoding: str, body: bytes) -> None:
    answer = await raw.rpc(body, **{"content-encoding": encoding})
    assert answer.status in (400, 501) and answer.code in ("invalid_argument", "unimplemented")


MALFORMED = {
    "deep lists": b'{"request": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep known objects": b'{"inputs":{"literals":[{"value":'
    + b'{"collection":{"literals":[' * 5000
    + b"]}}" * 5000
    + b"}]}}",
    "duplicate keys": b'{"org": "a", "org": "b"}',
    "two of one": b'{"org": "a", "projectId": {"name": "b"}}',
    "not a number": b'{"request": {"limit": NaN}}',
    "infinity": b'{"request": {"limit": Infinity}}',
    "a number beyond 32 bits": b'{"request": {"limit": 4294967296}}',
    "a number beyond 63 bits": b'{"request": {"limit": 9223372036854775808}}',
    "a number of ten thousand digits": b'{"request": {"limit": ' + b"9" * 10_000 + b"}}",
    "a negative limit": b'{"request": {"limit": -1}}',
    "a fraction": b'{"request": {"limit": 1.5}}',
    "invalid UTF-8": b'{"org": "\xff\xfe"}',
    "a lone surrogate": b'{"org": "\\ud800"}',
    "no JSON": b"no json",
    "half of it": b'{"org": "',
    "a number": b"7",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a nul": b"\0",
    "a wrong type": b'{"request": 5}',
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_06_malformed_json_is_refused_as_the_clients_mistake(raw: Any, name: str) -> None:
    path = CREATE if name == "deep known objects" else LIST_RUNS
    answer = await raw.rpc(MALFORMED[name], path=path)
    assert answer.status == 400 and answer.code == "invalid_argument", answer
    body = struct.pack(">BI", 0, len(MALFORMED[name])) + MALFORMED[name]
    if name not in ("duplicate keys", "two of one"):
        answer = await raw.rpc(body, "application/connect+json", WATCH)
        assert b'"invalid_argument"' in answer.body and b"unknown" not in answer.body.split(b":")[1]
    assert await raw.is_well()


def nested(depth: int) -> bytes:
    """A literal in a list in a literal, and so on."""
    body = b""
    for _ in range(depth):
        inner = b"\x0a" + varint(len(body)) + body  # LiteralCollection.literals
        body = b"\x12" + varint(len(inner)) + inner  # Literal.collection
    literal = b"\x12" + varint(len(body)) + body  # NamedLiteral.value
    inputs = b"\x0a" + varint(len(literal)) + literal  # Inputs.literals
    return b"\x22" + varint(len(inputs)) + inputs  # CreateRunRequest.inputs


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize(
    "body",
    [
        nested(20_000),
        b"\xff" * 100,
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x12\x02\xff\xfe",
        b"\x0b" * 100_000,
        b"\x07",
        b"{}",
    ],
    ids=["deep", "noise", "a length beyond the end", "invalid UTF-8", "groups", "an unknown type", "json"],
)
async def test_06_malformed_protobuf_is_refused_as_the_clients_mistake(raw: Any, body: bytes) -> None:
    path = CREATE if len(body) > 50_000 else LIST_RUNS
    answer = await raw.rpc(body, "application/proto", path)
    assert answer.status == 400 and answer.code == "invalid_argument", answer
    stream = await raw.rpc(struct.pack(">BI", 0, len(body)) + body, "application/connect+proto", WATCH)
    assert b'"invalid_argument"' in stream.body
    assert await raw.is_well()


@pytest.mark.parametrize(
    "envelopes",
    [b"", b"\0", b"\0\0\0\0", b"\xff\0\0\0\0", b"\x02\0\0\0\2{}", b"\x01\0\0\0\1x", b"\0\0\0\0\0" * 2],
    ids=["nothing", "a byte", "no length", "unknown flags", "the end first", "compressed without", "two messages"],
)
async def test_06_malformed_envelopes_are_refused(raw: Any, envelopes: bytes) -> None:
    answer = await raw.rpc(envelopes, "application/connect+proto", WATCH)
    end = json.loads(answer.body[5:])
    assert end["error"]["code"] in ("invalid_argument", "unimplemented", "internal")
    assert await raw.is_well()


@pytest.mark.parametrize(
    "headers",
    [
        b"connect-timeout-ms: -1",
        b"connect-timeout-ms: x",
        b"connect-timeout-ms: 99999999999999999999",
        b"connect-protocol-version: 2",
        b"authorization: Bearer \xff\xfe",
        b"x-request-id: \xff",
        b"\xff: x",
        b"content-length: 5",
        b"transfer-encoding: chunked\r\ncontent-length: 3",
        b"transfer-encoding: xchunked",
        b"transfer-encoding: chunked, identity",
        b"content-length : 63",
        b" folded: x",
        b"no colon",
        b"nul: a\0b",
        b"bare: a\rb",
    ],
)
async def test_06_malformed_headers_are_refused_and_smuggle_nothing(raw: Any, headers: bytes) -> None:
    head = f"POST {LIST_RUNS} HTTP/1.1\r\nhost: {raw.host}\r\ncontent-type: application/json\r\n".encode()
    length = b"" if b"length" in headers or b"transfer" in headers else b"content-length: %d\r\n" % len(PROJECT)
    answer = await raw.send(head + length + headers + b"\r\n\r\n" + PROJECT, timeout=10)
    assert answer.status in (0, 400, 415, 501, 505), answer
    assert b"unknown" not in answer.body
    assert await raw.is_well()


async def test_06_slow_senders_hold_up_nobody(raw: Any) -> None:
    slow = []
    for _ in range(100):
        reader, writer = await asyncio.open_connection("127.0.0.1", raw.backend.port)
        writer.write(
            f"POST {LIST_RUNS} HTTP/1.1\r\nhost: {raw.host}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(PROJECT)}\r\n\r\n".encode()
        )
        slow.append((reader, writer))
    async with asyncio.timeout(20):
        assert all(await asyncio.gather(*(raw.is_well() for _ in range(20))))
    for _, writer in slow[1:]:
        writer.close()
    reader, writer = slow[0]
    writer.write(PROJECT)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_06_clients_that_leave_in_the_middle_disturb_nobody(raw: Any) -> None:
    for data in (b"G", b"POST " + LIST_RUNS.encode(), f"POST {LIST_RUNS} HTTP/1.1\r\nhost: {raw.host}\r\n"
                 "content-type: application/json\r\ncontent-length: 50\r\n\r\n{".encode()):  # fmt: skip
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", raw.backend.port)
            writer.write(data)
            writer.close()
    assert await raw.is_well()
    log = (raw.backend.data / "server.log").read_text()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]
