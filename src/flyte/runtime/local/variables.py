"""Environment variables of running tasks: set while one of them runs, put back after the last."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

log = logging.getLogger("flyte")


@dataclass
class _Held:
    value: str
    before: str | None
    count: int


class VariableHolder:
    """Counts who needs which variable. Two running tasks that disagree get a warning; the later value stands."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    @contextlib.contextmanager
    def hold(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Set variables within the block."""
        if not variables:
            yield
            return
        with self._lock:
            for name, value in variables.items():
                self._take(name, value)
        try:
            yield
        finally:
            with self._lock:
                for name in variables:
                    self._give_back(name)

    def _take(self, name: str, value: str) -> None:
        held = self._held.get(name)
        if held is None:
            self._held[name] = _Held(value, os.environ.get(name), 1)
        else:
            if held.value != value:
                log.warning(
                    "Two running tasks disagree on the environment variable %s: local mode has one process, and %r stands.",
                    name, value,
                )  # fmt: skip
                held.value = value
            held.count += 1
        os.environ[name] = value

    def _give_back(self, name: str) -> None:
        held = self._held[name]
        held.count -= 1
        if held.count:
            return
        del self._held[name]
        if held.before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = held.before


holder = VariableHolder()
