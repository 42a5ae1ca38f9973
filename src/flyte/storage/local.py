"""Objects as files of this machine."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from flyte.errors import StorageError


def local_path(uri: str) -> pathlib.Path:
    """The path behind a `file://` address or a plain path.

    Raises:
        StorageError: The address names another host.
    """
    if not uri.startswith("file:"):
        return pathlib.Path(uri)
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise StorageError(f"{uri[:200]} names another machine ({parts.netloc}); a file address has three slashes.")
    return pathlib.Path(unquote(parts.path))


class LocalStore:
    """See `ObjectStore`. An object appears by rename, after its bytes are on disk."""

    def read(self, uri: str) -> bytes:
        path = local_path(uri)
        try:
            return path.read_bytes()
        except FileNotFoundError as e:
            raise StorageError(f"There is no object at {uri}.", code="NotFound") from e
        except OSError as e:
            raise StorageError(f"{uri} cannot be read: {e.strerror}.") from e

    def write(self, uri: str, data: bytes) -> None:
        path = local_path(uri)
        temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError as e:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StorageError(f"{uri} cannot be written: {e.strerror}.") from e

    def exists(self, uri: str) -> bool:
        return local_path(uri).is_file()

    def size(self, uri: str) -> int | None:
        try:
            return local_path(uri).stat().st_size
        except OSError:
            return None

    def list(self, prefix: str) -> Iterator[str]:
        root = local_path(prefix)
        head = "file://" if prefix.startswith("file:") else ""
        for folder, _, names in os.walk(root):
            for name in names:
                if not name.endswith(".tmp"):
                    yield f"{head}{folder}/{name}"
