"""The version of this distribution."""

from __future__ import annotations

from flyte.client.init import sdk_version

VERSION = sdk_version()


def version() -> str:
    """The version of the SDK."""
    return VERSION
