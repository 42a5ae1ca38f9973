"""The port to objects, and the choice of its adapter by address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from flyte.errors import StorageError


class ObjectStore(Protocol):
    """Objects by address. Implementations hold no state between calls and may be used from any thread."""

    def read(self, uri: str) -> bytes:
        """The whole object.

        Raises:
            StorageError: It does not exist (code `NotFound`) or cannot be read; the sentence names the address.
        """
        ...

    def write(self, uri: str, data: bytes) -> None:
        """Write an object, replacing what is there. It exists as a whole or not at all, also after a crash.

        Raises:
            StorageError: It cannot be written; nothing is left behind.
        """
        ...

    def exists(self, uri: str) -> bool:
        """True when the object can be read."""
        ...

    def size(self, uri: str) -> int | None:
        """Its size in bytes, None when it does not exist."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Addresses of the objects below a prefix, in no order. Never a source of truth."""
        ...


def join(*parts: str) -> str:
    """Join an address and names, with single slashes."""
    head, *tail = parts
    return "/".join([head.rstrip("/"), *(part.strip("/") for part in tail)])


def store_for(uri: str) -> ObjectStore:
    """The adapter for an address.

    Raises:
        StorageError: The scheme is not known.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        from flyte.storage.local import LocalStore

        return LocalStore()
    if scheme in ("s3", "gs", "abfs", "abfss", "az"):
        from flyte.storage.bucket import BucketStore

        return BucketStore()
    raise StorageError(
        f"Objects at {scheme}:// addresses cannot be reached ({uri[:200]}). Known are file, s3, gs, abfs and plain "
        "paths.",
        code="UnknownScheme",
    )
