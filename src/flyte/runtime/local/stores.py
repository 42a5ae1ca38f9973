"""Where local mode keeps history and results: below `~/.flyte/local`."""

from __future__ import annotations

from flyte.runtime.local.record import NoRecorder, Recorder
from flyte.runtime.local.results import ResultCache


def open_recorder(name: str, project: str | None, domain: str | None) -> Recorder:
    """The history for a new run."""
    return NoRecorder()


def open_results() -> ResultCache | None:
    """The results of earlier runs."""
    return None
