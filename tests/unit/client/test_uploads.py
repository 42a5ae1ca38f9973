"""Uploads to signed addresses: what is tried again, and how a failure is told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyteidl2.dataproxy import dataproxy_service_pb2

from flyte.client import uploads
from flyte.errors import StorageError
from flyte.model.ids import Scope

SCOPE = Scope(project="p", domain="d", org="")


class Store:
    """A server of signed addresses that sends what a test tells it to, and a transport that gives its address."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.bodies: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = 0
        while (line := await reader.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.bodies.append(await reader.readexactly(length))
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        writer.close()

    async def unary(self, _service: str, name: str, _request: Any, *, timeout: float | None = None) -> Any:
        if name == "SelectCluster":
            return None
        return dataproxy_service_pb2.CreateUploadLocationResponse(
            signed_url=f"http://127.0.0.1:{self.port}/x", native_url="s3://bucket/x"
        )

    def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    real = asyncio.sleep

    async def sleep(_seconds: float) -> None:
        await real(0)

    monkeypatch.setattr(uploads.asyncio, "sleep", sleep)
    made = Store()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


def answer(status: int, text: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text


async def test_an_upload_gives_the_address_for_tasks_after_passing_trouble(store: Store) -> None:
    store.answers = [answer(503), answer(200)]
    assert await uploads.upload_bytes(store, SCOPE, b"data", "x") == "s3://bucket/x"
    assert store.bodies == [b"data", b"data"]


async def test_an_upload_that_is_refused_is_told_with_the_stores_words(store: Store) -> None:
    store.answers = [answer(403, b"no entry")]
    with pytest.raises(StorageError, match="refused with status 403: no entry"):
        await uploads.upload_bytes(store, SCOPE, b"data", "x")
    assert len(store.bodies) == 1


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", b"no http at all\r\n\r\n"])
async def test_an_upload_that_breaks_off_is_tried_again_and_told(store: Store, cut: bytes) -> None:
    store.answers = [cut]
    with pytest.raises(StorageError, match="The upload broke off"):
        await uploads.upload_bytes(store, SCOPE, hashlib.sha256(cut).digest(), "x")
    assert len(store.bodies) >= 3
