"""Environment variables of running tasks: set while one of them runs, put back after the last."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

log = logging.getLogger("flyte")


@dataclass(eq=False)
class _Claim:
    """One running task's need. `thread` is the one it blocks; None for a task that shares its thread."""

    value: str
    thread: int | None


@dataclass
class _Held:
    before: str | None
    claims: list[_Claim] = field(default_factory=list)


class VariableHolder:
    """Counts who needs which variable; the newest running task's value stands.

    Two running tasks that disagree get a warning, unless one waits in its call of the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    @contextlib.contextmanager
    def hold(self, variables: Mapping[str, str], *, is_blocking: bool = False) -> Iterator[None]:
        """Set variables within the block.

        Args:
            is_blocking: Nothing else of this thread runs before the block is left.
        """
        if not variables:
            yield
            return
        thread = threading.get_ident() if is_blocking else None
        with self._lock:
            claims = {name: self._take(name, _Claim(value, thread)) for name, value in variables.items()}
        try:
            yield
        finally:
            with self._lock:
                for name, claim in claims.items():
                    self._give_back(name, claim)

    def _take(self, name: str, claim: _Claim) -> _Claim:
        held = self._held.setdefault(name, _Held(os.environ.get(name)))
        for other in held.claims:
            if other.value != claim.value and (claim.thread is None or other.thread != claim.thread):
                log.warning(
                    "Two running tasks disagree on the environment variable %s: "
                    "local mode has one process, and %r stands.",
                    name, claim.value,
                )  # fmt: skip
                break
        held.claims.append(claim)
        os.environ[name] = claim.value
        return claim

    def _give_back(self, name: str, claim: _Claim) -> None:
        held = self._held[name]
        held.claims.remove(claim)
        if held.claims:
            os.environ[name] = held.claims[-1].value
            return
        del self._held[name]
        if held.before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = held.before


holder = VariableHolder()
