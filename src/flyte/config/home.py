"""Where flyte keeps its data on this machine."""

from __future__ import annotations

import os
import pathlib


def flyte_home() -> pathlib.Path:
    """`$FLYTE_HOME`, else `~/.flyte`; absolute. Not created here."""
    override = os.environ.get("FLYTE_HOME")
    return (pathlib.Path(override).expanduser() if override else pathlib.Path.home() / ".flyte").absolute()


def ensure_private(folder: pathlib.Path) -> pathlib.Path:
    """Create a folder that only its owner can read, and flyte's home like that where the folder lies in it.

    Raises:
        OSError: It cannot be made.
    """
    home = flyte_home()
    if folder.is_relative_to(home):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)  # parents=True alone leaves those in between to the umask
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def backend_folder() -> pathlib.Path:
    """The data folder of this machine's backend."""
    return flyte_home() / "backend"


def local_folder() -> pathlib.Path:
    """The data folder of local mode: history and cache."""
    return flyte_home() / "local"
