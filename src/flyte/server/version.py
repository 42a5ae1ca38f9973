"""The version of this distribution, read without importing the SDK."""

from __future__ import annotations

from importlib import metadata


def _version() -> str:
    try:
        return metadata.version("flyte-py")
    except metadata.PackageNotFoundError:
        return "0.0.0"


VERSION = _version()
