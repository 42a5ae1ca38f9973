"""Container images, as data."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from flyte.model.task import SDK_COMPATIBLE_VERSION


def default_image_uri(python: tuple[int, int] | None = None) -> str:
    """The image that a task runs in unless it says otherwise: the official one for the Python minor."""
    major, minor = python or sys.version_info[:2]
    return f"ghcr.io/flyteorg/flyte:py{major}.{minor}-v{SDK_COMPATIBLE_VERSION}"


@dataclass(frozen=True)
class Image:
    """An image."""

    base_image: str | None = None

    @property
    def uri(self) -> str:
        """The address."""
        return self.base_image or default_image_uri()

    def resolved_uri(self, images: dict[str, str]) -> str:
        """The address."""
        return self.uri
