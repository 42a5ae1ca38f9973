"""What local runs did, for readers: lists, details, and inputs to run again with.

Listing reads texts only. Values are read back only by `inputs_of` and `outputs_of`, with the types of the task.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flyte.config.home import local_folder
from flyte.errors import InvalidValue, StorageError, UnknownName
from flyte.model.interface import NativeInterface
from flyte.model.phase import ActionPhase
from flyte.runtime.local.shown import LONGEST, shown

SCHEMA_VERSION = 1

LONGEST_SHORT = LONGEST
"""JSON of up to this many characters stands for its own text."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, task TEXT NOT NULL, project TEXT, domain TEXT, pid INTEGER NOT NULL,
  folder TEXT NOT NULL, phase TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL,
  error_code TEXT, error_message TEXT
);
CREATE INDEX IF NOT EXISTS runs_by_name ON runs (name);
CREATE TABLE IF NOT EXISTS actions (
  run INTEGER NOT NULL REFERENCES runs (id), number INTEGER NOT NULL, name TEXT NOT NULL, parent TEXT NOT NULL,
  task TEXT NOT NULL, group_name TEXT NOT NULL, phase TEXT NOT NULL, attempt INTEGER NOT NULL,
  from_cache INTEGER NOT NULL,
  created_at REAL NOT NULL, started_at REAL, ended_at REAL, error_code TEXT, error_message TEXT,
  inputs_text TEXT, outputs_text TEXT, inputs_json TEXT, outputs_json TEXT, inputs BLOB, outputs BLOB,
  PRIMARY KEY (run, name)
);
CREATE TABLE IF NOT EXISTS failed_attempts (
  run INTEGER NOT NULL REFERENCES runs (id), action TEXT NOT NULL, attempt INTEGER NOT NULL, ended_at REAL NOT NULL,
  error_code TEXT NOT NULL, error_message TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS failed_attempts_of_action ON failed_attempts (run, action);
"""


@dataclass(frozen=True)
class LocalRunEntry:
    """One local run.

    Args:
        phase: RUNNING for a run that is going on in a living process; a run whose process is gone without having
            ended it is ABORTED.
        folder: Where its large values are.
    """

    id: int
    name: str
    task: str
    project: str | None
    domain: str | None
    phase: ActionPhase
    started_at: datetime
    ended_at: datetime | None
    error_code: str | None
    error_message: str | None
    folder: str
    pid: int


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt that was followed by another, and why."""

    attempt: int
    ended_at: datetime
    error_code: str
    error_message: str
    reason: str


@dataclass(frozen=True)
class LocalActionEntry:
    """One action of a local run.

    Args:
        parent: The name of the action that called it; empty for the root.
        attempt: The number of the newest attempt, counting from 1.
        inputs, outputs: Values by name as text, shortened.
        from_cache: The result was one of an earlier run.
        failed_attempts: The attempts before the newest.
    """

    name: str
    parent: str
    task: str
    group: str
    phase: ActionPhase
    attempt: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    inputs: dict[str, str]
    outputs: dict[str, str]
    error_code: str | None
    error_message: str | None
    from_cache: bool
    failed_attempts: tuple[FailedAttempt, ...] = ()


def database() -> pathlib.Path:
    """Where the history is kept."""
    return local_folder() / "history.db"


def list_runs(limit: int = 100) -> list[LocalRunEntry]:
    """The newest runs, newest first; empty where there is no history.

    Raises:
        StorageError: The history cannot be read.
    """
    with _reading() as connection:
        if connection is None:
            return []
        return [_run(row) for row in connection.execute("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (limit,))]


def get_run(name: str) -> LocalRunEntry:
    """The newest run of a name.

    Raises:
        UnknownName: There is none.
        StorageError: The history cannot be read.
    """
    with _reading() as connection:
        row = (
            connection
            and connection.execute("SELECT * FROM runs WHERE name = ? ORDER BY id DESC LIMIT 1", (name,)).fetchone()
        )
    if not row:
        raise UnknownName(f"There is no local run {name!r} in {database()}. `flyte get run --local` lists them.")
    return _run(row)


def actions_of(run: LocalRunEntry | str) -> list[LocalActionEntry]:
    """The actions of a run in the order they came to be, the root first.

    Raises:
        UnknownName: There is no such run.
        StorageError: The history cannot be read.
    """
    entry = get_run(run) if isinstance(run, str) else run
    with _reading() as connection:
        if connection is None:
            return []
        columns = (
            "name, parent, task, group_name, phase, attempt, from_cache, created_at, started_at, ended_at, "
            "error_code, error_message, inputs_text, outputs_text, "
            # Short JSON stands for its own text; long JSON and messages are not touched by a listing.
            "iif(inputs_text IS NULL, inputs_json, NULL) AS inputs_short, "
            "iif(outputs_text IS NULL, outputs_json, NULL) AS outputs_short"
        )
        failed: dict[str, list[FailedAttempt]] = {}
        for row in connection.execute("SELECT * FROM failed_attempts WHERE run = ? ORDER BY rowid", (entry.id,)):
            attempt = FailedAttempt(
                row["attempt"], _moment(row["ended_at"]), row["error_code"], row["error_message"], row["reason"]
            )
            failed.setdefault(row["action"], []).append(attempt)
        rows = connection.execute(f"SELECT {columns} FROM actions WHERE run = ? ORDER BY number", (entry.id,))  # noqa: S608
        return [_action(row, entry.phase, tuple(failed.get(row["name"], ()))) for row in rows]


def inputs_of(run: str, action: str, interface: NativeInterface) -> dict[str, Any]:
    """The inputs of an action as values. May unpickle: only for runs of one's own.

    Raises:
        UnknownName: There is no such run or action.
        InvalidValue: Its inputs were too large to be kept.
        RuntimeDataValidationError: They are not those of the interface.
    """
    as_json, blob = _stored(run, action, "inputs")
    if as_json is not None:
        return _from_json(as_json)
    from flyte.runtime.local.messages import read_inputs  # protobuf

    return read_inputs(blob, interface)


def outputs_of(run: str, action: str, interface: NativeInterface) -> tuple[Any, ...]:
    """The outputs of an action as values, in order. May unpickle: only for runs of one's own.

    Raises:
        UnknownName: There is no such run or action.
        InvalidValue: It has no outputs, or they were too large to be kept.
        RuntimeDataValidationError: They are not those of the interface.
    """
    as_json, blob = _stored(run, action, "outputs")
    if as_json is not None:
        return tuple(_from_json(as_json).values())
    from flyte.runtime.local.messages import read_outputs  # protobuf

    return read_outputs(blob, interface)


def _from_json(text: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    return values


def _stored(run: str, action: str, what: str) -> tuple[str | None, bytes]:
    entry = get_run(run)
    with _reading() as connection:
        row = (
            connection
            and connection.execute(
                f"SELECT {what}_json, {what} FROM actions WHERE run = ? AND name = ?",  # noqa: S608  a word of ours
                (entry.id, action),
            ).fetchone()
        )
    if not row:
        raise UnknownName(f"The local run {run} has no action {action!r}.")
    if row[0] is None and row[1] is None:
        raise InvalidValue(f"The local run {run} has no {what} of {action}: there were none, or too large ones.")
    return row[0], row[1]


@contextlib.contextmanager
def _reading() -> Iterator[sqlite3.Connection | None]:
    path = database()
    if not path.is_file():
        yield None
        return
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"it was made by another version of flyte (schema {version})")
            connection.row_factory = sqlite3.Row
            # Version 0 is a file that its writer has just made, and nothing is in it yet.
            yield connection if version else None
        finally:
            connection.close()
    except sqlite3.Error as e:
        raise StorageError(f"The history {path} of local runs cannot be read: {e}. Delete it to start anew.") from e


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe_moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _run(row: sqlite3.Row) -> LocalRunEntry:
    phase = ActionPhase(row["phase"])
    if not phase.is_terminal and not _is_alive(row["pid"]):
        phase = ActionPhase.ABORTED
    return LocalRunEntry(
        id=row["id"],
        name=row["name"],
        task=row["task"],
        project=row["project"],
        domain=row["domain"],
        phase=phase,
        started_at=_moment(row["started_at"]),
        ended_at=_maybe_moment(row["ended_at"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        folder=row["folder"],
        pid=row["pid"],
    )


def _texts(text: str | None, short: str | None) -> dict[str, str]:
    if text is not None:
        return _from_json(text)
    return {name: shown(value) for name, value in _from_json(short or "{}").items()}


def _action(row: sqlite3.Row, run_phase: ActionPhase, failed: tuple[FailedAttempt, ...]) -> LocalActionEntry:
    phase = ActionPhase(row["phase"])
    if run_phase.is_terminal and not phase.is_terminal:
        phase = ActionPhase.ABORTED
    return LocalActionEntry(
        name=row["name"],
        parent=row["parent"],
        task=row["task"],
        group=row["group_name"],
        phase=phase,
        attempt=row["attempt"],
        created_at=_moment(row["created_at"]),
        started_at=_maybe_moment(row["started_at"]),
        ended_at=_maybe_moment(row["ended_at"]),
        inputs=_texts(row["inputs_text"], row["inputs_short"]),
        outputs=_texts(row["outputs_text"], row["outputs_short"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        from_cache=bool(row["from_cache"]),
        failed_attempts=failed,
    )
