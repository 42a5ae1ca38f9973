"""What a task prints, on its way into its log segment: nothing is lost or doubled when the supervisor is killed.

    pipe → spool → segment

The process has the pipe open for reading too, so that the supervisor's death never breaks it. `splice` moves what
is in the pipe into the spool inside the kernel: a byte is in the one or in the other. Lines are copied from the
spool into the segment, and a mark of sixteen bytes says how far both are; a successor cuts the segment back to the
mark and copies again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import struct
import sys
from collections.abc import Callable
from typing import Literal

from flyte.server.clock import system_clock
from flyte.server.executors.process.logfile import LARGEST_LOG, cut_lines, encode_record
from flyte.server.executors.process.processes import make_fifo

PIPE = "log.fifo"
_CHUNK = 256 * 1024
_RECYCLE_ABOVE = 1024 * 1024
_MARK = struct.Struct(">QQ")
_NEVER_ENDING = 256
"""Chunks that are still read after the process group is gone, should somebody go on writing."""

Progress = Literal["more", "empty", "closed"]


class Output:
    """The output of one attempt.

    Args:
        folder: The attempt's folder.
        segment: Where the log is kept.
        grew: Told the size of the log when it has grown.
    """

    def __init__(self, folder: pathlib.Path, segment: pathlib.Path, grew: Callable[[int], None]) -> None:
        self._folder = folder
        self._segment_path = segment
        self._grew = grew
        self._pipe = self._spool = self._segment = self._mark = self._nowhere = -1
        self._spooled = self._taken = self.size = 0
        self._dropped = 0
        self._said_full = False
        self._can_splice = hasattr(os, "splice")

    @property
    def pipe(self) -> int:
        """The descriptor that is readable when there is something to take."""
        return self._pipe

    def open(self) -> None:
        """Open or make everything, and go on where a predecessor was killed.

        Raises:
            OSError: A file cannot be opened.
        """
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        make_fifo(self._folder / PIPE)
        self._segment_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pipe = os.open(self._folder / PIPE, os.O_RDONLY | os.O_NONBLOCK)
        self._spool = os.open(self._folder / "spool", os.O_RDWR | os.O_CREAT, 0o600)
        self._mark = os.open(self._folder / "mark", os.O_RDWR | os.O_CREAT, 0o600)
        self._segment = os.open(self._segment_path, os.O_RDWR | os.O_CREAT, 0o600)
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        self._resume()

    def _resume(self) -> None:
        self._spooled = os.fstat(self._spool).st_size
        mark = os.pread(self._mark, _MARK.size, 0)
        if len(mark) == _MARK.size:
            self._taken, self.size = _MARK.unpack(mark)
        if self._taken > self._spooled:
            self._taken = 0  # killed between emptying the spool and marking that
        self.size = min(self.size, os.fstat(self._segment).st_size)
        os.ftruncate(self._segment, self.size)
        self._said_full = self.size >= LARGEST_LOG
        self._copy_lines(is_last=False)

    def writer(self) -> int:
        """A descriptor for the process to write to. The caller closes it."""
        return os.open(self._folder / PIPE, os.O_RDWR)

    def take(self) -> Progress:
        """Take one chunk from the pipe: `empty` when there is none just now, `closed` when nobody can write."""
        try:
            moved = self._move()
        except BlockingIOError:
            return "empty"
        if moved == 0:
            return "closed"
        self._copy_lines(is_last=False)
        return "more"

    def _move(self) -> int:
        if self.size < LARGEST_LOG:
            with contextlib.suppress(_NoRoom):
                moved = self._move_into(self._spool, self._spooled)
                self._spooled += moved
                return moved
        elif not self._said_full:
            # Now, not at the end: who follows the log is told why it stands still.
            self._said_full = True
            self.note(f"… the log is full: it is kept up to {LARGEST_LOG:,} bytes, what follows is left out …")
        moved = self._move_into(self._nowhere, None)
        self._dropped += moved
        return moved

    def _move_into(self, target: int, position: int | None) -> int:
        if sys.platform == "linux" and self._can_splice:
            try:
                return os.splice(self._pipe, target, _CHUNK, offset_dst=position, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                raise
            except OSError as e:
                if e.errno != errno.EINVAL:
                    raise _NoRoom from e
                self._can_splice = False  # the file system does not know how
        data = os.read(self._pipe, _CHUNK)
        if position is not None:
            try:
                os.pwrite(target, data, position)
            except OSError:
                self._dropped += len(data)
        return len(data)

    def _copy_lines(self, *, is_last: bool) -> None:
        while self._taken < self._spooled:
            data = os.pread(self._spool, _CHUNK, self._taken)
            ends_here = self._taken + len(data) >= self._spooled
            lines, used = cut_lines(data, is_last=is_last and ends_here)
            if not used:
                break
            at = system_clock()
            if not self._append(b"".join(encode_record(at, "U", line) for line in lines)):
                self._dropped += used
            self._taken += used
            self._set_mark()
        if self._taken == self._spooled and self._spooled > _RECYCLE_ABOVE:
            os.ftruncate(self._spool, 0)
            self._taken = self._spooled = 0
            self._set_mark()

    def _append(self, records: bytes) -> bool:
        """Write to the segment; False when there is no room, and nothing of it stays."""
        try:
            written = os.pwrite(self._segment, records, self.size)
        except OSError:
            written = 0
        if written < len(records):
            os.ftruncate(self._segment, self.size)
            return False
        self.size += written
        self._grew(self.size)
        return True

    def _set_mark(self) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self._mark, _MARK.pack(self._taken, self.size), 0)

    def finish(self, note: str = "") -> None:
        """Take what is left, end the last line, and close everything, whatever goes wrong.

        Args:
            note: A last line of the system.

        Raises:
            OSError: What was left could not be kept.
        """
        try:
            for _ in range(_NEVER_ENDING):
                if self.take() != "more":
                    break
            self._copy_lines(is_last=True)
            if self._dropped:
                self.note(f"… {self._dropped:,} further bytes were left out of the log …")
            if note:
                self.note(note)
        finally:
            self.close()

    def note(self, text: str) -> None:
        """Add a line of the system."""
        self._append(encode_record(system_clock(), "S", text.encode(errors="replace")))
        self._set_mark()

    def close(self) -> None:
        """Close everything; may be called twice."""
        for descriptor in (self._pipe, self._spool, self._mark, self._segment, self._nowhere):
            if descriptor >= 0:
                os.close(descriptor)
        self._pipe = self._spool = self._mark = self._segment = self._nowhere = -1


class _NoRoom(OSError):
    """The spool cannot take more: the disk is full, say."""
