"""Objects as files of this machine."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import secrets
from collections.abc import Iterator
from urllib.parse import quote, unquote

from flyte.errors import StorageError

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def local_path(uri: str) -> pathlib.Path:
    """The path behind a `file://` address or a plain path.

    Raises:
        StorageError: The address names another host.
    """
    if not uri.startswith("file:"):
        return pathlib.Path(uri)
    rest = uri.removeprefix("file:")
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise StorageError(f"{uri[:200]} names another machine ({host}); a file address has three slashes.")
        rest = slash + path
    return pathlib.Path(unquote(rest))


def sync_folder(folder: pathlib.Path) -> None:
    """Let the names in a folder survive the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalStore:
    """See `ObjectStore`. An object appears by rename, so that a process that dies leaves none or a whole one.

    Args:
        synced: Objects survive the machine too, at the price of waiting for its disk.
    """

    def __init__(self, *, synced: bool = False) -> None:
        self._synced = synced

    def read(self, uri: str) -> bytes:
        path = local_path(uri)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as e:
            raise StorageError(f"There is no object at {uri}.", code="NotFound") from e
        except (OSError, ValueError) as e:
            raise StorageError(f"{uri} cannot be read: {_reason(e)}.") from e

    def write(self, uri: str, data: bytes) -> None:
        path = local_path(uri)
        temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                if self._synced:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
            if self._synced:
                sync_folder(path.parent)
        except (OSError, ValueError) as e:
            with contextlib.suppress(OSError, ValueError):
                temporary.unlink(missing_ok=True)
            raise StorageError(f"{uri} cannot be written: {_reason(e)}.") from e

    def exists(self, uri: str) -> bool:
        return self.size(uri) is not None

    def size(self, uri: str) -> int | None:
        path = local_path(uri)
        try:
            return path.stat().st_size if path.is_file() else None
        except (OSError, ValueError):
            return None

    def list(self, prefix: str) -> Iterator[str]:
        root = local_path(prefix)
        is_address = prefix.startswith("file:")
        for folder, _, names in os.walk(root):
            for name in names:
                if not _TEMPORARY.fullmatch(name):
                    path = f"{folder}/{name}"
                    yield f"file://{quote(path)}" if is_address else path


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
