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


def cut_lines(data: bytes, *, is_last: bool = False) -> tuple[list[bytes], int]:
    """Cut output into lines, and say how many bytes they took.

    However the output is cut into pieces before, the lines come out the same: what is left over goes in front of
    the next piece.

    Args:
        is_last: Nothing follows, so a line without an end is ended.
    """
    *complete, rest = data.split(b"\n")
    lines: list[bytes] = []
    for line in complete:
        lines += [line[i : i + LONGEST_LINE] for i in range(0, len(line), LONGEST_LINE)] or [b""]
    left = len(rest)
    if is_last and rest:
        lines += [rest[i : i + LONGEST_LINE] for i in range(0, len(rest), LONGEST_LINE)]
        left = 0
    while left > LONGEST_LINE:
        start = len(rest) - left
        lines.append(rest[start : start + LONGEST_LINE])
        left -= LONGEST_LINE
    return lines, len(data) - left
