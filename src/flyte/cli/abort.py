"""`flyte abort`."""

from __future__ import annotations

import rich_click as click

from flyte.cli.groups import Entry, LazyGroup

_NOUNS = {
    "action": Entry("flyte.cli.runs:abort_action", "Abort an action with everything below it."),
    "run": Entry("flyte.cli.runs:abort_run", "Abort a run with everything it started."),
}


@click.group(cls=LazyGroup, entries=_NOUNS)
def abort() -> None:
    """Abort things that run."""
