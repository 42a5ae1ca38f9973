"""`flyte get`: without a name a list, with one the details."""

from __future__ import annotations

import rich_click as click

from flyte.cli.groups import Entry, LazyGroup
from flyte.cli.options import output_option

_NOUNS = {
    "action": Entry("flyte.cli.runs:get_action", "Show the actions of a run."),
    "backend": Entry("flyte.cli.backend:get_backend", "Show whether the backend of this machine runs, and where."),
    "config": Entry("flyte.cli.configuration:get_config", "Show the configuration that applies."),
    "io": Entry("flyte.cli.data:get_io", "Show the inputs and outputs of a run or an action."),
    "logs": Entry("flyte.cli.data:get_logs", "Show the log of a run or an action."),
    "project": Entry("flyte.cli.projects:get_project", "Show projects."),
    "run": Entry("flyte.cli.runs:get_run", "Show runs."),
    "task": Entry("flyte.cli.tasks:get_task", "Show deployed tasks."),
}
_LATER = frozenset({"app", "artifact", "code", "condition", "devbox", "secret", "settings", "trigger"})


@click.group(cls=LazyGroup, entries=_NOUNS, later=_LATER)
@output_option()
def get() -> None:
    """Show things: without a name a list, with one the details."""
