"""Ending a process that talked to a backend.

The HTTP client's native threads call into Python when an answer arrives. One that is still in there while the
interpreter is taken down aborts the whole process: SIGABRT in place of the exit code. A program of ours therefore
ends at once when it is done (`leave`); a user's program, whose end is not ours, first gives such a thread the moment
it needs (`settle_at_exit`).
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import NoReturn

_MOMENT_SECONDS = 0.05
"""What a native thread needs to leave Python again, with room for a busy machine."""

_registered = False


def leave(code: int) -> NoReturn:
    """End this process with an exit code that is really this one, after its threads and what `atexit` holds.

    Args:
        code: The exit code.
    """
    if "pyqwest" not in sys.modules:
        raise SystemExit(code)
    # What the interpreter does at its end, in its order. Joining the threads alone would wait for ever for those of a
    # pool, which end only when they are told to.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (ValueError, OSError, AttributeError):
            continue  # closed or replaced by whoever used it
    os._exit(code)


def settle_at_exit() -> None:
    """Wait a moment when the interpreter ends. Called by whoever makes an HTTP client; once is enough."""
    global _registered
    if not _registered:
        _registered = True
        atexit.register(time.sleep, _MOMENT_SECONDS)
