"""A code bundle, as the tasks that run from it know it."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, replace

from flyte.errors import InvalidValue


@dataclass(frozen=True, kw_only=True)
class CodeBundle:
    """Where the code of a version lies.

    Args:
        computed_version: The digest of the contents.
        destination: Where a task process extracts it, relative to its working directory.
        tgz: The address of the archive.
        pkl: The address of a pickled task, in place of an archive.
        downloaded_path: Where it was extracted, once it was.
        files: The files in it, where they are known.

    Raises:
        InvalidValue: Neither or both of `tgz` and `pkl` are given.
    """

    computed_version: str
    destination: str = "."
    tgz: str | None = None
    pkl: str | None = None
    downloaded_path: pathlib.Path | None = None
    files: list[str] | None = None

    def __post_init__(self) -> None:
        if bool(self.tgz) == bool(self.pkl):
            raise InvalidValue("A code bundle needs either a tgz or a pkl address.")

    def with_downloaded_path(self, path: pathlib.Path) -> CodeBundle:
        """The same bundle, known to be extracted at `path`."""
        return replace(self, downloaded_path=path)
