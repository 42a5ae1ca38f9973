"""Names of actions that follow from what they do (wire_protocol §5.6)."""

from __future__ import annotations

import hashlib
import threading

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(data: bytes) -> str:
    """The bytes as a number in base 36, lower case."""
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"


def child_name(parent: str, inputs_hash: str, identity: str, sequence: int, group: str | None) -> str:
    """The name of a child action.

    Equal calls of one parent are told apart by `sequence`, which counts from 1.
    """
    components = f"{parent}-{inputs_hash}-{identity}-{sequence}" + (f"-{group}" if group else "")
    return base36(hashlib.md5(components.encode(), usedforsecurity=False).digest())


class CallCounter:
    """Sequence numbers for equal calls within one attempt of a parent. Threads of the parent may share it."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def next(self, call_key: str) -> int:
        """The next number for a call key; the first is 1."""
        with self._lock:
            count = self._counts.get(call_key, 0) + 1
            self._counts[call_key] = count
        return count
