"""`flyte get task`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import rich_click as click

from flyte.cli.connect import connect
from flyte.cli.options import SETTINGS, output_option, scope_options
from flyte.cli.printing import print_object, print_rows
from flyte.cli.state import CliState
from flyte.errors import RemoteTaskNotFoundError
from flyte.launch.discover import unknown_name
from flyte.model.interface import NO_DEFAULT
from flyte.remote.task import Task, TaskDetails
from flyte.types.transformer import type_name

_MOST_NAMES = 1000


@click.command("task", context_settings=SETTINGS)
@click.argument("name", required=False)
@click.argument("version", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@click.option("--entrypoint", is_flag=True, help="Only those that people are to start.")
@scope_options
@output_option()
@click.pass_obj
def get_task(
    state: CliState,
    name: str | None,
    version: str | None,
    limit: int,
    entrypoint: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """List deployed tasks, or show one: its newest version, or the one you name."""
    connect(state, project=project, domain=domain)
    if name:
        plain, _, colon = name.partition(":")
        print_object(_details(plain, version or colon or None), state)
        return
    tasks = Task.listall(limit=limit, entrypoint=entrypoint or None)
    rows = [
        {
            "name": task.name,
            "version": task.version,
            "environment": task.environment,
            "deployed_at": task.pb2.metadata.deployed_at.ToDatetime(tzinfo=dt.UTC),
        }
        for task in tasks
    ]
    print_rows(rows, state, empty="No task is deployed. Deploy with: flyte deploy FILE ENVIRONMENT")


def _details(name: str, version: str | None) -> dict[str, Any]:
    handle = Task.get(name, version=version) if version else Task.get(name, auto_version="latest")
    versions = [row.version for row in Task.versions(name)]
    try:
        task: TaskDetails = handle.fetch()
    except RemoteTaskNotFoundError:
        if versions:
            raise unknown_name(f"version of task {name}", str(version), versions) from None
        known = sorted(row.name for row in Task.listall(limit=_MOST_NAMES))
        raise unknown_name("deployed task", name, known) from None
    ref, template = task.ref, task.spec.task_template
    inputs = {
        one: type_name(declared) + ("" if default is NO_DEFAULT else " (has a default)")
        for one, (declared, default) in task.interface.inputs.items()
    }
    return {
        "name": task.name,
        "version": task.version,
        "versions": versions,
        "project": ref.scope.project,
        "domain": ref.scope.domain,
        "type": task.task_type,
        "description": task.spec.documentation.short_description or None,
        "inputs": inputs,
        "outputs": {one: type_name(declared) for one, declared in task.interface.outputs.items()},
        "image": template.container.image or None,
        "retries": template.metadata.retries.retries,
        "cache": task.cache.behavior,
        "secrets": task.secrets or None,
    }
