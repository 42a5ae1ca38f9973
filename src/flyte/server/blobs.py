"""The blob root: addresses that the control plane hands out, and the only ones that it opens.

An address that a client supplied is opened only if it lies below the root, after every link in it is followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import pathlib

from flyte.errors import RpcError, StorageError
from flyte.model.ids import Scope
from flyte.storage.local import LocalStore, local_path
from flyte.storage.port import join

INPUTS, UPLOADS = "_inputs", "_uploads"
"""Folders beside those of runs, with names that no run can have."""
LARGEST_READ = 64 * 1024 * 1024
_BUCKETS = ("s3://", "gs://", "abfs://", "abfss://", "az://")


class Blobs:
    """Blobs in a folder of this machine.

    Args:
        root: The folder.
    """

    def __init__(self, root: pathlib.Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = root.resolve()
        self._store = LocalStore(synced=True)

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
        except (StorageError, OSError, ValueError, RuntimeError) as e:
            raise RpcError(f"{uri[:200]!r} is no address of this backend.", code="permission_denied") from e
        outside = not path.is_relative_to(self._root) or ("://" in uri and not uri.startswith("file:"))
        # Links in a circle stay links; up to Python 3.12 they are a RuntimeError instead.
        if outside or any(step.is_symlink() for step in (path, *path.parents)):
            raise RpcError(f"{uri[:200]!r} is no address of this backend.", code="permission_denied")
        return path

    async def read(self, uri: str) -> bytes | None:
        """A blob below the root; None where there is none.

        Raises:
            RpcError: The address lies elsewhere, or the blob is too large to be sent along.
        """
        return await asyncio.to_thread(_read, self.path(uri), uri)

    def refuse_foreign_file(self, uri: str) -> None:
        """Refuse an address that a client supplied, unless it lies below the root or in a bucket.

        Raises:
            RpcError: It is a file elsewhere, or of a kind that is not known (code `permission_denied`).
        """
        if not uri.startswith(_BUCKETS):
            self.path(uri)

    async def keep_inputs(self, scope: Scope, body: bytes) -> str:
        """Keep the inputs of a run to be, under their digest; gives the address of `inputs.pb`."""
        folder = hashlib.sha256(body).hexdigest()
        uri = self.uri(scope.project, scope.domain, INPUTS, folder, "inputs.pb")
        if not await asyncio.to_thread(self.path(uri).is_file):  # under this name there is nothing but this body
            await self.write(uri, body)
        return uri

    async def write(self, uri: str, data: bytes) -> None:
        """Write a blob below the root.

        Raises:
            RpcError: The address lies elsewhere.
        """
        await asyncio.to_thread(self._store.write, str(self.path(uri)), data)


def _read(path: pathlib.Path, uri: str) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(LARGEST_READ + 1)
    if len(data) > LARGEST_READ:
        raise RpcError(
            f"{uri[:200]} has more than {LARGEST_READ:,} bytes and is not sent along. Read it where it lies.",
            code="failed_precondition",
        )
    return data
