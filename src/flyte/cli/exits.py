"""Exit codes, and what a failure prints."""

from __future__ import annotations

import sys
from typing import Any

from flyte.errors import ActionAbortedError, FlyteError, RpcError, TaskTimeoutError
from flyte.model.phase import ActionPhase

OK, FAILED, USAGE, ABORTED, TIMED_OUT, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

_BY_PHASE = {
    ActionPhase.SUCCEEDED: OK,
    ActionPhase.RECOVERED: OK,
    ActionPhase.FAILED: FAILED,
    ActionPhase.ABORTED: ABORTED,
    ActionPhase.TIMED_OUT: TIMED_OUT,
}


def code_of_phase(phase: ActionPhase) -> int:
    """How the command ends when the run it waited for ended like this."""
    return _BY_PHASE.get(phase, FAILED)


def code_of_error(error: BaseException) -> int:
    """How the command ends after an error."""
    if isinstance(error, RpcError) and error.code == "unavailable":
        return UNREACHABLE
    if isinstance(error, ActionAbortedError):
        return ABORTED
    return TIMED_OUT if isinstance(error, TaskTimeoutError) else FAILED


def safe_text(text: str) -> str:
    """Text for a terminal: control characters, which could move the cursor or hide things, are spelled out."""
    return "".join(c if c in "\n\t" or c.isprintable() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def print_error(error: BaseException) -> None:
    """One sentence on stderr, and the hint where there is one."""
    message = str(error) or type(error).__name__
    print(f"Error: {safe_text(message)}", file=sys.stderr)
    hint: Any = getattr(error, "hint", None)
    if isinstance(error, FlyteError) and hint:
        print(safe_text(hint), file=sys.stderr)
