"""Files → one archive, the same bytes of contents on every machine, and its digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from flyte.bundle.files import BundledFile
from flyte.errors import CodeBundleError

LARGEST_BUNDLE = 512 * 1024 * 1024
"""Bytes of contents that a bundle may have."""

_MTIME = 347155200  # 1981-01-01, so that archives do not depend on when files were written


@dataclass(frozen=True)
class Archive:
    """A bundle ready to be uploaded.

    Args:
        digest: md5 over the sorted (path, NUL, length, contents): independent of the compressor.
        data: The compressed tar.
        files: Paths of the files in it.
    """

    digest: str
    data: bytes
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file name under which it is uploaded."""
        return f"fast{self.digest}.tar.gz"

    @property
    def md5(self) -> bytes:
        """The checksum of the compressed bytes, for the upload."""
        return hashlib.md5(self.data, usedforsecurity=False).digest()


def make_archive(files: Sequence[BundledFile]) -> Archive:
    """Pack files.

    Raises:
        CodeBundleError: There are none, one cannot be read, or they are too large; the largest are named.
    """
    if not files:
        raise CodeBundleError("The code bundle is empty: no loaded module lies below the root folder.")
    _refuse_oversized(files)
    contents = [(file, _read(file)) for file in sorted(files)]
    digest = hashlib.md5(usedforsecurity=False)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file, data in contents:
            digest.update(file.path.encode() + b"\0" + str(len(data)).encode() + data)
            member = tarfile.TarInfo(file.path)
            member.size, member.mtime, member.mode = len(data), _MTIME, 0o644
            tar.addfile(member, io.BytesIO(data))
    compressed = gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0)
    return Archive(digest.hexdigest(), compressed, tuple(file.path for file, _ in contents))


def _refuse_oversized(files: Sequence[BundledFile]) -> None:
    """Before anything is read, so that a folder of data that was included by mistake does not fill the memory."""
    sizes = {file: _size(file) for file in files}
    total = sum(sizes.values())
    if total > LARGEST_BUNDLE:
        largest = sorted(sizes, key=lambda file: -sizes[file])[:5]
        named = ", ".join(f"{file.path} ({sizes[file]:,} bytes)" for file in largest)
        raise CodeBundleError(
            f"The code bundle has {total:,} bytes, and at most {LARGEST_BUNDLE:,} are possible. The largest: {named}."
        )


def _size(file: BundledFile) -> int:
    try:
        file.path.encode()
        return file.source.stat().st_size
    except UnicodeEncodeError:
        raise CodeBundleError(f"The name of {file.path!a} is not UTF-8, so it cannot be in a code bundle.") from None
    except OSError as e:
        raise _unreadable(file, e) from e


def _read(file: BundledFile) -> bytes:
    try:
        return file.source.read_bytes()
    except OSError as e:
        raise _unreadable(file, e) from e


def _unreadable(file: BundledFile, e: OSError) -> CodeBundleError:
    return CodeBundleError(f"{file.source} cannot be read into the code bundle: {e.strerror}.")
