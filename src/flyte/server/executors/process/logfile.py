"""Log segments: one line of the log a record, with its time and where it came from.

    1763687499123456 U the text of the line\\n

Microseconds since 1970, U for the user's output or S for a note of the system, and the text. A line without an
end is ended; longer lines than `LONGEST_LINE` are cut into several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LONGEST_LINE = 16 * 1024
LARGEST_LOG = 64 * 1024 * 1024
"""Bytes that are kept of one attempt's log; what comes after is counted and left out, and the log says so."""

Origin = Literal["U", "S"]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of a log. `text` has no line end."""

    at: int
    origin: Origin
    text: str


def encode_record(at: int, origin: Origin, text: bytes) -> bytes:
    """A record as it is written."""
    return b"%d %s %s\n" % (at, origin.encode(), text.replace(b"\n", b" "))


def decode_record(line: bytes) -> LogRecord | None:
    """A record as it was written; None for a line that is none (a crash cut it)."""
    head, _, rest = line.rstrip(b"\n").partition(b" ")
    origin, _, text = rest.partition(b" ")
    if not head.isdigit() or origin not in (b"U", b"S"):
        return None
    return LogRecord(int(head), "U" if origin == b"U" else "S", text.decode("utf-8", errors="replace"))


class LineCutter:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        cut = []
        for line in lines:
            cut += [line[i : i + LONGEST_LINE] for i in range(0, len(line), LONGEST_LINE)] or [b""]
        while len(self._rest) > LONGEST_LINE:
            cut.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return cut

    def finish(self) -> list[bytes]:
        """The last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
