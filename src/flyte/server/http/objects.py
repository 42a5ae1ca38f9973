"""Signed uploads and downloads: PUT and GET on /objects/TICKET/NAME."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import pathlib
import secrets
import stat
from typing import Any, BinaryIO

from flyte.server.http.gate import SAFE_HEADERS, Receive, Scope, Send, answer
from flyte.server.services.data import OBJECTS_PATH
from flyte.server.signing import Grant, Signer
from flyte.storage.local import sync_folder

_CHUNK = 1024 * 1024


class ObjectRoutes:
    """See the module.

    Args:
        root: The blob root.
    """

    def __init__(self, root: pathlib.Path, signer: Signer) -> None:
        self._root = root.resolve()
        self._signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ticket = scope["path"].removeprefix(OBJECTS_PATH).split("/")[0]
        grant = self._signer.check(ticket, "GET" if scope["method"] == "HEAD" else scope["method"])
        if grant is None:
            await answer(send, 403, "The address is not valid, or no longer.\n")
            return
        try:
            path = await asyncio.to_thread((self._root / grant.key).resolve)
        except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
            path = None
        if path is None or not path.is_relative_to(self._root):
            await answer(send, 403, "The address is not valid.\n")
            return
        if grant.method == "PUT":
            await self._put(scope, receive, send, grant, path)
        else:
            await self._get(scope, send, path)

    async def _put(self, scope: Scope, receive: Receive, send: Send, grant: Grant, path: pathlib.Path) -> None:
        headers = {key.lower(): value for key, value in scope["headers"]}
        length = headers.get(b"content-length", b"")
        if length and (not length.isdigit() or int(length) > grant.size):
            await answer(send, 413, f"This address takes at most {grant.size:,} bytes.\n")
            return
        said = headers.get(b"content-md5", grant.md5.encode()).decode("latin-1")
        if said != grant.md5:
            await answer(send, 400, "Content-MD5 is not the checksum that this address was made for.\n")
            return
        await answer(send, *await self._keep(receive, grant, path))

    async def _keep(self, receive: Receive, grant: Grant, path: pathlib.Path) -> tuple[int, str]:
        """Take a body and let it appear under its name; gives the answer, when nothing else is left of it."""
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            problem = await self._receive_into(temporary, receive, grant)
            if problem is not None:
                return problem
            if not await asyncio.to_thread(_place, temporary, path, grant.md5):
                return 409, "Something else was uploaded under this name already.\n"
        except OSError as e:
            return 507, f"The upload cannot be kept: {e.strerror}.\n"
        finally:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(temporary.unlink, missing_ok=True)
        return 200, ""

    async def _receive_into(self, temporary: pathlib.Path, receive: Receive, grant: Grant) -> tuple[int, str] | None:
        checksum, received = hashlib.md5(usedforsecurity=False), 0
        with temporary.open("wb") as file:
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    return 400, "The upload broke off.\n"
                body = message.get("body", b"")
                received += len(body)
                if received > grant.size:
                    return 413, f"This address takes at most {grant.size:,} bytes.\n"
                checksum.update(body)
                await asyncio.to_thread(file.write, body)
                if not message.get("more_body", False):
                    break
            await asyncio.to_thread(_to_disk, file)
        if grant.md5 and base64.b64encode(checksum.digest()).decode() != grant.md5:
            return 400, "The content does not have the checksum that this address was made for.\n"
        return None

    async def _get(self, scope: Scope, send: Send, path: pathlib.Path) -> None:
        try:
            file = await asyncio.to_thread(_open_regular, path)
        except OSError:
            await answer(send, 404, "There is nothing here.\n")
            return
        with file:
            await self._send_file(scope, send, file)

    async def _send_file(self, scope: Scope, send: Send, file: BinaryIO) -> None:
        left = os.fstat(file.fileno()).st_size
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(left).encode()),
            (b"content-disposition", b"attachment"),
            (b"cache-control", b"no-store"),
            *SAFE_HEADERS,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        # As many bytes as were promised, also of a file that grows.
        while left and (chunk := await asyncio.to_thread(file.read, min(left, _CHUNK))):
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open_regular(path: pathlib.Path) -> BinaryIO:
    # Not blocking, so that a pipe of that name cannot hold up the thread.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")


def _place(temporary: pathlib.Path, path: pathlib.Path, md5: str) -> bool:
    """Let an upload appear under its name; False when something else is there. The first of two always wins."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return path.is_file() and _md5_of(path) == md5
    sync_folder(path.parent)
    return True


def _md5_of(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()
