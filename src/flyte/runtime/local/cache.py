"""Results in an SQLite database, shared by all processes of this user. Opened when a task first needs it."""

from __future__ import annotations

import logging
import pathlib
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from flyte.config.home import ensure_private

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

log = logging.getLogger("flyte")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
  key TEXT PRIMARY KEY, task TEXT NOT NULL, version TEXT NOT NULL, outputs BLOB NOT NULL, created_at REAL NOT NULL
)"""
_BUSY_SECONDS = 5.0


class SqliteResults:
    """See `ResultCache`.

    Args:
        path: The database; it and its folder are made when needed.
        now: The time of day in seconds, against which `max_age` counts.
    """

    def __init__(self, path: pathlib.Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_broken = False

    def get(self, key: str, max_age: timedelta | None) -> bytes | None:
        row = self._guarded(
            lambda c: c.execute("SELECT outputs, created_at FROM results WHERE key = ?", (key,)).fetchone()
        )
        if row is None:
            return None
        outputs, created_at = row
        if max_age is not None and self._now() - created_at > max_age.total_seconds():
            return None
        return bytes(outputs)

    def put(self, key: str, task_name: str, version: str, outputs: bytes) -> None:
        row = (key, task_name, version, outputs, self._now())
        self._guarded(lambda c: c.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", row))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _guarded(self, act: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the database; after its first failure it counts as empty."""
        import sqlite3

        with self._lock:
            if self._is_broken:
                return None
            try:
                if self._connection is None:
                    self._connection = self._open()
                return act(self._connection)
            except (sqlite3.Error, OSError) as e:
                self._is_broken = True
                log.warning("Results of local runs are not kept: %s cannot be used: %s.", self._path, e)
                return None

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        ensure_private(self._path.parent)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection
