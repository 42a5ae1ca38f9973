"""Log segments: where they lie, and reading them while they grow."""

from __future__ import annotations

import hashlib
import pathlib

from flyte.server.executors.port import AttemptKey


def log_path(data: pathlib.Path, key: AttemptKey) -> pathlib.Path:
    """The segment of an attempt. Names from outside never become part of a path: their digest does."""
    scope = hashlib.sha256(f"{key.project}\0{key.domain}\0{key.run}".encode()).hexdigest()[:24]
    action = hashlib.sha256(key.action.encode()).hexdigest()[:24]
    return data / "logs" / scope[:2] / scope / action / f"{key.attempt}.log"
