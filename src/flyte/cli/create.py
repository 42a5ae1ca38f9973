"""`flyte create`."""

from __future__ import annotations

import rich_click as click

from flyte.cli.groups import Entry, LazyGroup

_NOUNS = {
    "config": Entry("flyte.cli.configuration:create_config", "Write a configuration file."),
    "project": Entry("flyte.cli.projects:create_project", "Create a project."),
}


@click.group(cls=LazyGroup, entries=_NOUNS, later=frozenset({"artifact", "secret", "trigger"}))
def create() -> None:
    """Create things."""
