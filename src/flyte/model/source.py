"""The repository that code comes from, and links into it."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from urllib.parse import urlsplit

_BLOB_PATHS = {"github.com": "blob", "gitlab.com": "-/blob"}


@dataclass(frozen=True)
class Repository:
    """A git repository at one commit.

    Args:
        folder: Its root on this machine.
        url: Its address for browsers, without `.git`.
        commit: The commit that is checked out.
        is_clean: False when files differ from the commit, so that line numbers may too.
    """

    folder: pathlib.Path
    url: str
    commit: str
    is_clean: bool

    def link(self, file: pathlib.Path, line: int) -> str | None:
        """The page that shows a line; None for a file elsewhere, or a host whose pages are not known."""
        pages = _BLOB_PATHS.get(urlsplit(self.url).hostname or "")
        resolved = file.resolve()
        if pages is None or not resolved.is_relative_to(self.folder.resolve()):
            return None
        path = resolved.relative_to(self.folder.resolve()).as_posix()
        return f"{self.url}/{pages}/{self.commit}/{path}" + (f"#L{line}" if self.is_clean else "")


def browser_url(remote: str) -> str:
    """The address for browsers of a git remote, in any of its spellings and without credentials."""
    remote = remote.strip().removesuffix(".git")
    if "://" not in remote:
        user_and_host, _, path = remote.partition(":")
        return f"https://{user_and_host.rpartition('@')[2]}/{path}"
    parts = urlsplit(remote)
    scheme = parts.scheme if parts.scheme in ("http", "https") else "https"
    return f"{scheme}://{parts.hostname or ''}{parts.path}"


__all__ = ["Repository", "browser_url"]
