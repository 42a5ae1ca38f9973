"""Reading archives that somebody else made, without letting them write where they should not."""

from __future__ import annotations

import io
import pathlib
import tarfile

from flyte.errors import CodeBundleError

MOST_ENTRIES = 100_000
LARGEST_TOTAL = 2 * 1024**3
LARGEST_RATIO = 1000
"""Bytes out per byte in; beyond this it is a bomb."""
DEEPEST = 64
LONGEST_NAME = 1024


def _refusal(member: tarfile.TarInfo) -> str | None:
    name = member.name
    parts = pathlib.PurePosixPath(name).parts
    if not (member.isreg() or member.isdir()):
        return "is neither a file nor a folder"
    if name.startswith("/") or "\\" in name or "\0" in name or (parts and ":" in parts[0]):
        return "has an absolute path"
    if ".." in parts:
        return "leads out of the archive"
    if len(name) > LONGEST_NAME or len(parts) > DEEPEST:
        return "has a longer path than allowed"
    if member.issparse():
        return "is sparse"
    return None


def extract_tar_gz(data: bytes, destination: pathlib.Path) -> list[str]:
    """Extract a compressed tar into a folder; gives the names of the files.

    Links, devices, absolute paths, `..`, sparse files, names that differ only in case, and archives that are
    larger than any code are refused before anything is written.

    Raises:
        CodeBundleError: The archive is refused or damaged; nothing was written for a refusal.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            members = _checked(archive, len(data))
            for member in members:
                _write(archive, member, destination)
    except (tarfile.TarError, EOFError, OSError, ValueError) as e:
        raise CodeBundleError(f"The code bundle cannot be extracted: {e}") from e
    return [member.name for member in members if member.isreg()]


def _checked(archive: tarfile.TarFile, compressed: int) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total, seen = 0, set()
    for member in archive:
        reason = _refusal(member)
        if reason is not None:
            raise CodeBundleError(f"The code bundle is refused: {member.name[:200]!r} {reason}.")
        total += member.size
        if len(members) >= MOST_ENTRIES:
            raise CodeBundleError(f"The code bundle is refused: it has more than {MOST_ENTRIES:,} entries.")
        if total > LARGEST_TOTAL or total > max(compressed, 1024) * LARGEST_RATIO:
            raise CodeBundleError("The code bundle is refused: it is far larger than it seems.")
        folded = str(pathlib.PurePosixPath(member.name)).casefold()
        if member.isreg():
            if folded in seen:
                raise CodeBundleError(f"The code bundle is refused: {member.name[:200]!r} is in it twice.")
            seen.add(folded)
        members.append(member)
    return members


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, destination: pathlib.Path) -> None:
    target = destination / member.name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(destination.resolve()):
        raise CodeBundleError(f"The code bundle is refused: {member.name[:200]!r} leads out of its folder.")
    source = archive.extractfile(member)
    assert source is not None
    with source, target.open("wb") as file:
        while chunk := source.read(1024 * 1024):
            file.write(chunk)
    target.chmod(0o700 if member.mode & 0o100 else 0o600)
