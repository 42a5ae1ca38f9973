"""The blob root: addresses that the control plane hands out, and the only ones that it opens.

An address that a client supplied is opened only if it lies below the root, after every link in it is followed.
"""

from __future__ import annotations

import asyncio
import pathlib

from flyte.errors import RpcError, StorageError
from flyte.storage.local import LocalStore, local_path
from flyte.storage.port import join


class Blobs:
    """Blobs in a folder of this machine.

    Args:
        root: The folder.
    """

    def __init__(self, root: pathlib.Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = root.resolve()
        self._store = LocalStore()

    @property
    def base(self) -> str:
        """The address of the root."""
        return self._root.as_uri()

    def uri(self, *parts: str) -> str:
        """The address of a blob by the parts of its key; each part must be a plain name.

        Raises:
            RpcError: A part could leave the root (code `invalid_argument`).
        """
        for part in parts:
            if part in ("", ".", "..") or "/" in part or "\\" in part or "\0" in part or not part.isprintable():
                raise RpcError(f"{part[:80]!r} cannot be part of an address.", code="invalid_argument")
        return join(self.base, *parts)

    def path(self, uri: str) -> pathlib.Path:
        """The file behind an address below the root.

        Raises:
            RpcError: It lies elsewhere (code `permission_denied`).
        """
        try:
            path = local_path(uri).resolve()
        except (StorageError, OSError, ValueError) as e:
            raise RpcError(f"{uri[:200]!r} is no address of this backend.", code="permission_denied") from e
        if not path.is_relative_to(self._root) or ("://" in uri and not uri.startswith("file:")):
            raise RpcError(f"{uri[:200]!r} is no address of this backend.", code="permission_denied")
        return path

    async def read(self, uri: str) -> bytes | None:
        """A blob below the root; None where there is none.

        Raises:
            RpcError: The address lies elsewhere.
        """
        path = self.path(uri)
        if not await asyncio.to_thread(path.is_file):
            return None
        return await asyncio.to_thread(path.read_bytes)

    async def write(self, uri: str, data: bytes) -> None:
        """Write a blob below the root.

        Raises:
            RpcError: The address lies elsewhere.
        """
        await asyncio.to_thread(self._store.write, str(self.path(uri)), data)
