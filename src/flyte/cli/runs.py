"""`flyte get|abort run|action`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import rich_click as click

from flyte.cli.connect import connect
from flyte.cli.exits import safe_text
from flyte.cli.options import SETTINGS, Moment, output_option, pairs, scope_options
from flyte.cli.printing import print_object, print_rows
from flyte.cli.state import CliState
from flyte.model.phase import ActionPhase
from flyte.remote.action import Action
from flyte.remote.details import ActionDetails
from flyte.remote.listing import TimeFilter
from flyte.remote.project import User
from flyte.remote.run import Run

_PHASES = click.Choice([phase.value for phase in ActionPhase])
_REASON = click.option("--reason", default="Manually aborted from the CLI", show_default=True, help="Kept with it.")


def _times(pb2: Any) -> dict[str, Any]:
    """When an action began, and how long it took or takes."""
    status = pb2.status
    started = status.start_time.ToDatetime(tzinfo=dt.UTC) if status.HasField("start_time") else None
    ended = status.end_time.ToDatetime(tzinfo=dt.UTC) if status.HasField("end_time") else None
    until = ended or dt.datetime.now(dt.UTC)
    return {"started_at": started, "duration": until - started if started is not None else None}


def _run_row(run: Run) -> dict[str, Any]:
    action = run.pb2.action
    task = action.metadata.task.id
    return {
        "name": run.name,
        "task": task.name,
        "version": task.version,
        "phase": run.phase.value,
        **_times(action),
        "labels": run.labels,
    }


@click.command("run", context_settings=SETTINGS)
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@click.option("--in-phase", type=_PHASES, multiple=True, help="Only in this phase; repeatable.")
@click.option("--only-mine", is_flag=True, help="Only those that you started.")
@click.option("--paused-only", is_flag=True, help="Only those with a paused action.")
@click.option("--task-name", help="Only of this task.")
@click.option("--task-version", help="Only of this version.")
@click.option("--created-after", type=Moment(), help="Only those created since then.")
@click.option("--created-before", type=Moment(), help="Only those created before then.")
@click.option("--updated-after", type=Moment(), help="Only those that changed since then.")
@click.option("--updated-before", type=Moment(), help="Only those that did not change since then.")
@click.option("--with-label", multiple=True, metavar="KEY=VALUE", help="Only with this label; repeatable.")
@click.option("--with-label-key", multiple=True, metavar="KEY", help="Only with such a label; repeatable.")
@scope_options
@output_option()
@click.pass_obj
def get_run(
    state: CliState,
    name: str | None,
    limit: int,
    in_phase: tuple[str, ...],
    only_mine: bool,
    paused_only: bool,
    task_name: str | None,
    task_version: str | None,
    created_after: dt.datetime | None,
    created_before: dt.datetime | None,
    updated_after: dt.datetime | None,
    updated_before: dt.datetime | None,
    with_label: tuple[str, ...],
    with_label_key: tuple[str, ...],
    project: str | None,
    domain: str | None,
) -> None:
    """List runs, newest first, or show one."""
    labels = pairs(with_label, "--with-label")
    connect(state, project=project, domain=domain)
    if name:
        print_object(_run_details(Run.get(name)), state)
        return
    runs = Run.listall(
        in_phase=in_phase,
        task_name=task_name,
        task_version=task_version,
        created_by_subject=User.get().subject() if only_mine else None,
        limit=limit,
        created_at=TimeFilter(created_after, created_before),
        updated_at=TimeFilter(updated_after, updated_before),
        with_labels=labels,
        with_label_keys=list(with_label_key),
        paused_actions_only=paused_only,
    )
    rows = [_run_row(run) for run in runs]
    if not state.is_json and not any(row["labels"] for row in rows):
        rows = [{key: value for key, value in row.items() if key != "labels"} for row in rows]
    print_rows(rows, state, empty="There are no such runs.")


def _run_details(run: Run) -> dict[str, Any]:
    details = run.details().action_details
    scope = run.scope
    return {
        "name": run.name,
        "phase": details.phase.value,
        "project": scope.project,
        "domain": scope.domain,
        **_of_action(details),
        "labels": run.labels or None,
        "url": run.url,
    }


def _of_action(details: ActionDetails) -> dict[str, Any]:
    """What is said of an action in detail, beside its name and phase."""
    error, abort = details.error_info, details.abort_info
    return {
        "task": details.task_name,
        "version": details.metadata.task.id.version or None,
        **_times(details.pb2),
        "attempts": details.attempts,
        "error": {"code": error.code, "message": error.message} if error is not None else None,
        "abort_reason": abort.reason if abort is not None else None,
    }


@click.command("action", context_settings=SETTINGS)
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option("--in-phase", type=_PHASES, multiple=True, help="Only in this phase; repeatable.")
@scope_options
@output_option()
@click.pass_obj
def get_action(
    state: CliState,
    run_name: str,
    action_name: str | None,
    in_phase: tuple[str, ...],
    project: str | None,
    domain: str | None,
) -> None:
    """List the actions of a run, oldest first, or show one."""
    connect(state, project=project, domain=domain)
    if action_name:
        details = ActionDetails.get(run_name=run_name, name=action_name)
        first = {"name": details.name, "run": details.run_name, "phase": details.phase.value}
        print_object({**first, "parent": details.parent_name, **_of_action(details)}, state)
        return
    rows = [
        {
            "name": action.name,
            "task": action.task_name,
            "phase": action.phase.value,
            "parent": action.parent_name,
            "group": action.group,
            "attempts": action.pb2.status.attempts,
            **_times(action.pb2),
        }
        for action in Action.listall(run_name, in_phase=in_phase)
    ]
    print_rows(rows, state, empty="There are no such actions.")


@click.command("run", context_settings=SETTINGS)
@click.argument("run_name")
@_REASON
@scope_options
@output_option()
@click.pass_obj
def abort_run(state: CliState, run_name: str, reason: str, project: str | None, domain: str | None) -> None:
    """Abort a run with everything it started."""
    connect(state, project=project, domain=domain)
    run = Run.get(run_name)
    if not run.done():
        run.abort(reason)
    _print_abort(f"run {run.name}", run.phase, state)


@click.command("action", context_settings=SETTINGS)
@click.argument("run_name")
@click.argument("action_name")
@_REASON
@scope_options
@output_option()
@click.pass_obj
def abort_action(
    state: CliState, run_name: str, action_name: str, reason: str, project: str | None, domain: str | None
) -> None:
    """Abort an action with everything below it."""
    connect(state, project=project, domain=domain)
    action = Action.get(run_name=run_name, name=action_name)
    if not action.done():
        action.abort(reason)
    _print_abort(f"action {run_name}/{action.name}", action.phase, state)


def _print_abort(what: str, before: ActionPhase, state: CliState) -> None:
    """Say what was done; an end that was there already is no mistake.

    Args:
        before: The phase when the abort was asked for.
    """
    aborted = not before.is_terminal
    if state.is_json:
        print_object({"aborted": aborted, "phase_before": before.value}, state)
    elif aborted:
        click.echo(safe_text(f"Aborted the {what}."))
    else:
        click.echo(safe_text(f"The {what} is over already: {before.value}."))
