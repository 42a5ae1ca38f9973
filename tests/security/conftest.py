"""Requests as no proper client sends them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import pathlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.conftest import Backend

LIST_RUNS = "/flyteidl2.workflow.RunService/ListRuns"
WATCH = "/flyteidl2.actions.ActionsService/WatchForUpdates"


@dataclass
class Answer:
    """What came back; status 0 when the connection was closed without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        """The Connect code of a refusal."""
        return str(json.loads(self.body).get("code", ""))


class Raw:
    """Bytes to a backend, and what it answers."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.host = f"127.0.0.1:{backend.port}"

    async def send(self, data: bytes, *, timeout: float = 30) -> Answer:
        """Send these very bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.backend.port)
        try:
            async with asyncio.timeout(timeout):
                sending = asyncio.create_task(self._write(writer, data))
                answer = await self._read(reader, not data.startswith(b"HEAD"))
                sending.cancel()
                return answer
        finally:
            writer.close()

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
        try:
            for start in range(0, len(data), 65536):
                writer.write(data[start : start + 65536])
                await writer.drain()
        except ConnectionError:
            pass  # the backend has heard enough

    @staticmethod
    async def _read(reader: asyncio.StreamReader, has_body: bool) -> Answer:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(0)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
        if not has_body:
            body = b""
        elif "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = b""
            while headers.get("transfer-encoding") == "chunked":
                size = int(await reader.readline(), 16)
                body += (await reader.readexactly(size + 2))[:-2]
                if not size:
                    break
        return Answer(int(first.split()[1]), headers, body)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, timeout: float = 30
    ) -> Answer:
        """Send a request; a header that is None is left out."""
        given = {"host": self.host, "content-length": str(len(body)), **(headers or {})}
        head = "".join(f"{k}: {v}\r\n" for k, v in given.items() if v is not None)
        return await self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body, timeout=timeout)

    async def rpc(self, body: bytes, kind: str = "application/json", path: str = LIST_RUNS, **headers: str) -> Answer:
        """Send an RPC."""
        return await self.request("POST", path, body, {"content-type": kind, **headers})

    async def is_well(self) -> bool:
        """True when the backend still answers."""
        answer = await self.rpc(b'{"projectId": {"name": "flytesnacks", "domain": "development"}}')
        return answer.status == 200

    async def upload_location(self, data: bytes, name: str = "file", **fields: object) -> Answer:
        """Ask for the address of an upload."""
        request = {
            "project": "flytesnacks", "domain": "development", "filename": name,
            "contentMd5": base64.b64encode(hashlib.md5(data).digest()).decode(), **fields,
        }  # fmt: skip
        path = "/flyteidl2.dataproxy.DataProxyService/CreateUploadLocation"
        return await self.rpc(json.dumps(request).encode(), path=path)

    async def signed_path(self, data: bytes, name: str = "file", **fields: object) -> str:
        """The path of a signed upload."""
        answer = await self.upload_location(data, name, **fields)
        assert answer.status == 200, answer
        return urlsplit(json.loads(answer.body)["signedUrl"]).path

    @property
    def blobs(self) -> pathlib.Path:
        """Where its blobs lie."""
        return self.backend.data / "blobs"


@pytest.fixture
def raw(backend: Backend) -> Raw:
    """Bytes to the backend of this module."""
    return Raw(backend)
