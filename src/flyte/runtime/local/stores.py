"""Where local mode keeps history, results and large values: below `~/.flyte/local`."""

from __future__ import annotations

import os
import pathlib
import threading

from flyte.config.home import ensure_private, local_folder
from flyte.runtime.local.cache import SqliteResults
from flyte.runtime.local.record import NoRecorder, Recorder
from flyte.runtime.local.results import ResultCache

_OFF = ("0", "false", "no", "off")


class _Journals:
    """The writers of this process, one for each database. A forked child makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[int, pathlib.Path], object] = {}

    def recorder(self, path: pathlib.Path, name: str, project: str | None, domain: str | None, folder: str) -> Recorder:
        from flyte.runtime.local.journal import HistoryRecorder, Journal  # sqlite3, which no history does without

        with self._lock:
            journal = self._open.setdefault((os.getpid(), path), Journal(path))
        assert isinstance(journal, Journal)
        return HistoryRecorder(journal, name, project, domain, folder)


_journals = _Journals()


def open_recorder(name: str, project: str | None, domain: str | None, folder: str) -> Recorder:
    """The history for a new run; nothing is written before the run's root begins."""
    if os.environ.get("FLYTE_LOCAL_HISTORY", "").lower() in _OFF:
        return NoRecorder()
    return _journals.recorder(local_folder() / "history.db", name, project, domain, folder)


def open_results() -> ResultCache:
    """The results of earlier runs. The database is opened when a task first needs it."""
    return SqliteResults(local_folder() / "cache.db")


def data_folder(name: str) -> str:
    """Where a run's large values go: they are there as long as history and results that name them.

    A home that cannot be written is replaced by a temporary folder.
    """
    folder = local_folder() / "data"
    try:
        ensure_private(folder.parent)
        folder.mkdir(exist_ok=True)
    except OSError:
        import tempfile

        return tempfile.mkdtemp(prefix=f"flyte-{name}-")
    return str(folder / name)
