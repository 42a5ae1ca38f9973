"""What a control plane is started with."""

from __future__ import annotations

import os
import pathlib
import sys
from dataclasses import dataclass, field

DEFAULT_PORT = 30080
"""The port of the official devbox, so that a client configured for it finds us."""

DOMAINS = ("development", "staging", "production")
DEFAULT_PROJECT = "flytesnacks"
DEFAULT_ORG = "local"


def default_slots() -> int:
    """How many leaf attempts run at once unless told otherwise: four a core, eight at least."""
    return max(8, 4 * (os.cpu_count() or 1))


@dataclass(frozen=True)
class ServerSettings:
    """One control plane.

    Args:
        data: Its data folder: database, blobs, logs, attempts.
        host: The address to listen on.
        port: The port to listen on; 0 picks one.
        task_python: What runs tasks whose image names no interpreter.
        slots: How many leaf attempts run at once.
        largest_upload: Bytes that one signed upload may have.
    """

    data: pathlib.Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    task_python: str = sys.executable
    slots: int = field(default_factory=default_slots)
    largest_upload: int = 5 * 1024**3

    @property
    def blobs(self) -> pathlib.Path:
        """The root of all blobs."""
        return self.data / "blobs"
