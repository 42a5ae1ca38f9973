"""The writer of the history: a thread that takes what happened and writes it in groups.

A run only notes what happened; texts and bytes are made here, beside it, from values that user code cannot reach.
Whatever goes wrong ends the history for this process with one warning, and never a run.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import pathlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from flyte.config.home import ensure_private
from flyte.model.phase import ActionPhase
from flyte.runtime.local.history import LONGEST_SHORT, SCHEMA, SCHEMA_VERSION
from flyte.runtime.local.record import ErrorText
from flyte.runtime.local.shown import shown
from flyte.runtime.local.values import Copied
from flyte.types.transformer import Conversion

log = logging.getLogger("flyte")

_GATHER_SECONDS = 0.05
"""How long the writer waits for more before it writes."""
_LINGER_SECONDS = 2.0
"""How long it stays when no run goes on."""
_FLUSH_SECONDS = 10.0
"""How long the end of a run waits for it."""
_BUSY_SECONDS = 5.0
_LONGEST_MESSAGE = 64 * 1024
LARGEST_KEPT = 10 * 1024 * 1024
"""Inputs or outputs of more bytes are kept as text only."""
_PLAIN = (int, float, str, bool, type(None))


class _Row(Protocol):
    is_dirty: bool

    def write(self, connection: sqlite3.Connection) -> None: ...


class Journal:
    """Writes to one database.

    Args:
        path: The database; it and its folder are made by the writer.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._pending: deque[_Row] = deque()
        self._flushes: deque[threading.Event] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._runs = 0
        self._thread: threading.Thread | None = None
        self._is_broken = False

    def run_begins(self) -> None:
        """A run goes on: the writer stays."""
        with self._lock:
            self._runs += 1
            self._start()

    def run_ends(self) -> None:
        """Write all that was noted, and give the run back when it is on disk."""
        done = threading.Event()
        with self._lock:
            self._runs -= 1
            self._start()
            self._flushes.append(done)
        self._hurry.set()
        self._wake.set()
        if not self._is_broken:
            done.wait(_FLUSH_SECONDS)

    def note(self, row: _Row) -> None:
        """A row has changed."""
        if row.is_dirty or self._is_broken:
            return
        row.is_dirty = True
        self._pending.append(row)
        if not self._wake.is_set():
            self._wake.set()

    def _start(self) -> None:
        is_there = self._thread is not None and self._thread.is_alive()  # it is not in a forked child
        if not is_there and not self._is_broken:
            self._thread = threading.Thread(target=self._work, name="flyte-history", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        connection = None
        try:
            connection = self._open()
            while self._write_next(connection):
                pass
        except (sqlite3.Error, OSError) as e:
            self._give_up(f"{self._path} cannot be written: {e}")
        except Exception as e:  # noqa: BLE001  the history must not end a run
            self._give_up(f"{type(e).__name__}: {e}")
        finally:
            if connection is not None:
                connection.close()

    def _open(self) -> sqlite3.Connection:
        ensure_private(self._path.parent)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"it was made by another version of flyte (schema {version})")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_next(self, connection: sqlite3.Connection) -> bool:
        """Wait for something to write, and write it; False when the writer is not needed any more."""
        has_something = self._wake.wait(None if self._runs else _LINGER_SECONDS)
        if not has_something:
            with self._lock:
                if self._runs == 0 and not self._pending and not self._flushes:
                    self._thread = None
                    return False
            return True
        self._hurry.wait(_GATHER_SECONDS)
        self._hurry.clear()
        self._wake.clear()
        waiting = [self._flushes.popleft() for _ in range(len(self._flushes))]
        if self._pending:
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(len(self._pending)):
                row = self._pending.popleft()
                row.is_dirty = False
                row.write(connection)
            connection.execute("COMMIT")
        for flush in waiting:
            flush.set()
        return True

    def _give_up(self, why: str) -> None:
        log.warning(
            "The history of local runs is off: %s. FLYTE_LOCAL_HISTORY=0 switches it off without a warning.", why
        )
        with self._lock:
            self._is_broken = True
            self._thread = None
        self._pending.clear()
        while self._flushes:
            self._flushes.popleft().set()


class HistoryRecorder:
    """See `Recorder`. Rows are notes that change while the action goes on; the journal writes their newest state."""

    def __init__(self, journal: Journal, name: str, project: str | None, domain: str | None, folder: str) -> None:
        self._journal = journal
        self._run = _RunRow(name, project, domain, folder)
        self._open: dict[str, _ActionRow] = {}
        self._numbers = itertools.count(1)

    def begin(self, name: str, parent: str, task_name: str, group: str, inputs: Mapping[str, Copied]) -> _ActionRow:
        if not self._run.task:
            self._run.task = task_name
            self._journal.run_begins()
            self._journal.note(self._run)
        row = _ActionRow(self, self._run, next(self._numbers), name, parent, task_name, group, inputs)
        self._open[name] = row
        self._journal.note(row)
        return row

    def run_ended(self, phase: ActionPhase, error: ErrorText | None = None) -> None:
        if not self._run.task:
            return
        for row in list(self._open.values()):
            row.ended(ActionPhase.ABORTED)
        self._run.ended_at, self._run.phase, self._run.error = time.time(), phase, error
        self._journal.note(self._run)
        self._journal.run_ends()

    def changed(self, row: _Row) -> None:
        """A row of this run has changed."""
        self._journal.note(row)

    def closed(self, name: str) -> None:
        """An action is over."""
        self._open.pop(name, None)


class _RunRow:
    def __init__(self, name: str, project: str | None, domain: str | None, folder: str) -> None:
        self.is_dirty = False
        self.id: int | None = None
        self.name, self.project, self.domain, self.folder = name, project, domain, folder
        self.task = ""
        self.pid = os.getpid()
        self.phase = ActionPhase.RUNNING
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.error: ErrorText | None = None

    def write(self, connection: sqlite3.Connection) -> None:
        values = (
            self.id, self.name, self.task, self.project, self.domain, self.pid, self.folder, self.phase.value,
            self.started_at, self.ended_at, *_error_columns(self.error),
        )  # fmt: skip
        cursor = connection.execute("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", values)
        self.id = cursor.lastrowid


class _ActionRow:
    def __init__(
        self, recorder: HistoryRecorder, run: _RunRow, number: int, name: str, parent: str, task: str, group: str,
        inputs: Mapping[str, Copied],
    ) -> None:  # fmt: skip
        self.is_dirty = False
        self._recorder, self._run = recorder, run
        self._number, self._name, self._parent, self._task, self._group = number, name, parent, task, group
        self._inputs = _Values(inputs)
        self._outputs: _Values | None = None
        self._phase = ActionPhase.QUEUED
        self._attempt = 1
        self._from_cache = False
        self._created_at = time.time()
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._error: ErrorText | None = None

    def started(self, attempt: int) -> None:
        self._attempt = attempt
        self._phase = ActionPhase.RUNNING
        if self._started_at is None:
            self._started_at = time.time()
        self._recorder.changed(self)

    def retried(self, error: ErrorText, reason: str) -> None:
        self._phase = ActionPhase.QUEUED
        self._recorder.changed(_FailedAttemptRow(self._run, self._name, self._attempt, error, reason))
        self._recorder.changed(self)

    def ended(
        self,
        phase: ActionPhase,
        outputs: Mapping[str, Copied] | None = None,
        error: ErrorText | None = None,
        *,
        from_cache: bool = False,
    ) -> None:
        if self._ended_at is not None:
            return
        self._ended_at = time.time()
        self._phase, self._error, self._from_cache = phase, error, from_cache
        if outputs is not None:
            self._outputs = _Values(outputs)
        self._recorder.changed(self)
        self._recorder.closed(self._name)

    def write(self, connection: sqlite3.Connection) -> None:
        inputs = self._inputs.columns()
        outputs = self._outputs.columns() if self._outputs is not None else (None, None, None)
        values = (
            self._run.id, self._number, self._name, self._parent, self._task, self._group, self._phase.value,
            self._attempt, self._from_cache, self._created_at, self._started_at, self._ended_at,
            *_error_columns(self._error), inputs[0], outputs[0], inputs[1], outputs[1], inputs[2], outputs[2],
        )  # fmt: skip
        marks = "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?"
        connection.execute(f"INSERT OR REPLACE INTO actions VALUES ({marks})", values)  # noqa: S608


class _FailedAttemptRow:
    def __init__(self, run: _RunRow, action: str, attempt: int, error: ErrorText, reason: str) -> None:
        self.is_dirty = False
        self._run, self._action, self._attempt, self._error, self._reason = run, action, attempt, error, reason
        self._ended_at = time.time()

    def write(self, connection: sqlite3.Connection) -> None:
        code, message = _error_columns(self._error)
        values = (self._run.id, self._action, self._attempt, self._ended_at, code, message, self._reason)
        connection.execute("INSERT INTO failed_attempts VALUES (?,?,?,?,?,?,?)", values)


class _Values:
    """Inputs or outputs: texts for people, and bytes to read them back from.

    Values with a literal belong to user code from here on, so their texts are made at once; the others are copies,
    and their texts are left to the writer.
    """

    def __init__(self, values: Mapping[str, Copied]) -> None:
        self._values = values
        self._texts = {name: shown(copy.value) for name, copy in values.items() if copy.literal is not None}
        self._columns: tuple[str | None, str | None, bytes | None] | None = None

    def columns(self) -> tuple[str | None, str | None, bytes | None]:
        """Text, JSON and message; the latter only of what JSON cannot tell, and neither of what is too large."""
        if self._columns is None:
            self._columns = self._made()
            self._values = {}
        return self._columns

    def _made(self) -> tuple[str | None, str | None, bytes | None]:
        values = self._values
        as_json, message = None, None
        if all(copy.literal is None and _is_plain(copy.value) for copy in values.values()):
            as_json = json.dumps({name: copy.value for name, copy in values.items()})
            if len(as_json) <= LONGEST_SHORT:
                return None, as_json, None
            if len(as_json) > LARGEST_KEPT:
                as_json = None
        else:
            message = _message(values)
        texts = {name: self._texts.get(name) or shown(copy.value) for name, copy in values.items()}
        return json.dumps(texts), as_json, message


def _is_plain(value: Any) -> bool:
    if type(value) is list:
        return all(type(element) in _PLAIN for element in value)
    if type(value) is dict:
        return all(type(k) is str and type(element) in _PLAIN for k, element in value.items())
    return type(value) in _PLAIN


def _message(values: Mapping[str, Copied]) -> bytes | None:
    from flyte.runtime.local.messages import inputs_message  # protobuf; inputs and outputs look alike

    try:
        data: bytes = inputs_message(values, Conversion()).SerializeToString()
    except Exception as e:  # noqa: BLE001  a value that cannot be kept is shown all the same
        log.info("A value is kept in the history as text only: %s", e)
        return None
    return data if len(data) <= LARGEST_KEPT else None


def _error_columns(error: ErrorText | None) -> tuple[str | None, str | None]:
    return (None, None) if error is None else (error.code, error.message[:_LONGEST_MESSAGE])
