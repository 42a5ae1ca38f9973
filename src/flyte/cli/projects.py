"""`flyte get|create project`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from flyte.cli.connect import connect
from flyte.cli.exits import safe_text
from flyte.cli.options import SETTINGS, output_option, pairs
from flyte.cli.printing import print_object, print_rows
from flyte.cli.state import CliState
from flyte.errors import RpcError
from flyte.remote.project import Project


def _row(project: Project) -> dict[str, Any]:
    pb2 = project.pb2
    return {
        "id": project.id,
        "name": pb2.name,
        "description": pb2.description,
        "domains": [domain.id for domain in pb2.domains],
        "labels": dict(pb2.labels.values),
    }


@click.command("project", context_settings=SETTINGS)
@click.argument("name", required=False)
@click.option("--archived", is_flag=True, help="List the archived ones.")
@output_option()
@click.pass_obj
def get_project(state: CliState, name: str | None, archived: bool) -> None:
    """List projects, or show one."""
    connect(state)
    if name:
        print_object(_row(_known(name)), state)
        return
    rows = [_row(project) for project in Project.listall(archived=archived)]
    print_rows(rows, state, empty="There are no archived projects." if archived else "There are no projects.")


def _known(identifier: str) -> Project:
    try:
        found = Project.get(identifier)
    except RpcError as e:
        if e.code == "not_found":
            e.hint = f"Create it with: flyte create project --id {identifier}"
        raise
    assert isinstance(found, Project)
    return found


@click.command("project", context_settings=SETTINGS)
@click.option("--id", "identifier", required=True, help="The name that everything else refers to.")
@click.option("--name", help="The name for people. [default: the id]")
@click.option("--description", default="", help="What it is for.")
@click.option("--label", "-l", multiple=True, metavar="KEY=VALUE", help="A label; repeatable.")
@output_option()
@click.pass_obj
def create_project(
    state: CliState, identifier: str, name: str | None, description: str, label: tuple[str, ...]
) -> None:
    """Create a project, with all domains."""
    labels = pairs(label, "--label")
    connect(state, start=True)
    project = Project.create(identifier, name or identifier, description, labels)
    if state.is_json:
        print_object(_row(project), state)
    else:
        click.echo(safe_text(f"Created the project {project.id}."))
