"""Where flyte keeps its data on this machine."""

from __future__ import annotations

import os
import pathlib


def flyte_home() -> pathlib.Path:
    """`$FLYTE_HOME`, else `~/.flyte`. Not created here."""
    override = os.environ.get("FLYTE_HOME")
    return pathlib.Path(override).expanduser() if override else pathlib.Path.home() / ".flyte"


def ensure_private(folder: pathlib.Path) -> pathlib.Path:
    """Create a folder that only its owner can read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def backend_folder() -> pathlib.Path:
    """The data folder of this machine's backend."""
    return flyte_home() / "backend"


def local_folder() -> pathlib.Path:
    """The data folder of local mode: history and cache."""
    return flyte_home() / "local"
