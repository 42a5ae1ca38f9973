"""Reading archives that somebody else made, without letting them write where they should not."""

from __future__ import annotations

import io
import pathlib
import secrets
import tarfile
import unicodedata
import zlib
from typing import Any

from flyte.errors import CodeBundleError

MOST_ENTRIES = 100_000
LARGEST_TOTAL = 2 * 1024**3
LARGEST_RATIO = 1000
"""Bytes out per byte in; beyond this it is a bomb."""
DEEPEST = 64
LONGEST_NAME, LONGEST_PART = 1024, 255
_LARGEST_EXTENSION = 64 * 1024
"""Bytes of a header that extends another one (long names, PAX); the tar reader takes them into memory whole."""
_LARGEST_PADDING = 1024 * 1024
_EXTENSIONS = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)


class _Member(tarfile.TarInfo):
    """A header, looked at before the reader acts on it."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise  # the proper end, and an empty file
        except tarfile.HeaderError as e:  # behind the first entry the reader would take it for the end
            raise CodeBundleError("The code bundle is refused: the header of an entry is damaged.") from e

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0:
            raise CodeBundleError("The code bundle is refused: an entry has a negative size.")
        if member.type in _EXTENSIONS and member.size > _LARGEST_EXTENSION:
            raise CodeBundleError("The code bundle is refused: the header of an entry is larger than any name.")
        return member


def _refusal(member: tarfile.TarInfo) -> str | None:
    name = member.name
    parts = pathlib.PurePosixPath(name).parts
    if member.issparse():
        return "is sparse"
    if not (member.isreg() or member.isdir()):
        return "is neither a file nor a folder"
    if not name.isprintable():
        return "has a name with control characters"
    if name.startswith("/") or "\\" in name or (parts and ":" in parts[0]):
        return "has an absolute path"
    if ".." in parts:
        return "leads out of the archive"
    if len(name.encode()) > LONGEST_NAME or len(parts) > DEEPEST:
        return "has a longer path than allowed"
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        return "has a longer name than allowed"
    if member.size < 0:
        return "has a negative size"
    if not parts and member.isreg():
        return "has no name"
    return None


def extract_tar_gz(data: bytes, destination: pathlib.Path) -> list[str]:
    """Extract a compressed tar into a folder; gives the names of the files.

    Links, devices, absolute paths, `..`, sparse files, names that differ only in case or in the spelling of their
    letters, and archives that are larger than any code are refused before anything is written. Each file appears
    as a whole, so that several processes may extract the same archive into one folder.

    Raises:
        CodeBundleError: The archive is refused or damaged; nothing was written for a refusal.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz", tarinfo=_Member) as archive:
            members = _checked(archive, len(data))
            _read_to_the_end(archive)
            for member in members:
                _write(archive, member, destination)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as e:
        raise CodeBundleError(f"The code bundle cannot be extracted: {e}") from e
    return [member.name for member in members if member.isreg()]


def _checked(archive: tarfile.TarFile, compressed: int) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total, names = 0, _Names()
    for member in archive:
        reason = _refusal(member) or names.add(member)
        if reason is not None:
            raise CodeBundleError(f"The code bundle is refused: {member.name[:200]!r} {reason}.")
        total += member.size
        if len(members) >= MOST_ENTRIES:
            raise CodeBundleError(f"The code bundle is refused: it has more than {MOST_ENTRIES:,} entries.")
        if total > LARGEST_TOTAL or total > max(compressed, 1024) * LARGEST_RATIO:
            raise CodeBundleError("The code bundle is refused: it is far larger than it seems.")
        members.append(member)
    return members


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """Read what follows the last entry, so that the checksum of the compression is looked at."""
    assert archive.fileobj is not None
    left = _LARGEST_PADDING
    while chunk := archive.fileobj.read(64 * 1024):
        left -= len(chunk)
        if left < 0:
            raise CodeBundleError("The code bundle is refused: there is more behind its last entry than padding.")


class _Names:
    """The names so far, as a file system sees them that minds neither case nor spelling."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, member: tarfile.TarInfo) -> str | None:
        """Take one more; gives why not."""
        path = pathlib.PurePosixPath(unicodedata.normalize("NFC", member.name).casefold())
        name, above = str(path), {str(folder) for folder in path.parents}
        if name in self._files:
            return "is in it twice"
        if member.isreg():
            if name in self._folders:
                return "is both a file and a folder"
            self._files.add(name)
        else:
            above.add(name)
        if above & self._files:
            return "lies below a file"
        self._folders |= above
        return None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, destination: pathlib.Path) -> None:
    target = destination / member.name
    folder = target if member.isdir() else target.parent
    # A link that was in the folder before must not lead a file out of it either.
    if not folder.resolve().is_relative_to(destination.resolve()):
        raise CodeBundleError(f"The code bundle is refused: {member.name[:200]!r} leads out of its folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        return
    source = archive.extractfile(member)
    assert source is not None
    temporary = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        with source, temporary.open("xb") as file:
            while chunk := source.read(1024 * 1024):
                file.write(chunk)
        temporary.chmod(0o700 if member.mode & 0o100 else 0o600)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
