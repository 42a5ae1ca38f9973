"""The port to results that local runs keep for later ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol


class ResultCache(Protocol):
    """Serialised outputs by key. Never raises into a run: what cannot be read or kept is told in a warning."""

    def get(self, key: str, max_age: timedelta | None) -> bytes | None:
        """The outputs kept under a key, unless they are older than `max_age`."""
        ...

    def put(self, key: str, task_name: str, version: str, outputs: bytes) -> None:
        """Keep outputs, in place of what is kept under the key."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...
