"""`flyte get io` and `flyte get logs`."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

import rich_click as click

from flyte.cli.connect import connect
from flyte.cli.options import SETTINGS, output_option, scope_options
from flyte.cli.printing import cell, print_json
from flyte.cli.state import CliState
from flyte.cli.values import plain
from flyte.model.ids import ROOT_ACTION
from flyte.remote.action import Action
from flyte.remote.details import ActionDetails
from flyte.remote.progress import log_lines
from flyte.syncify import bridge


@click.command("io", context_settings=SETTINGS)
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option("--inputs-only", "-i", is_flag=True, help="Only the inputs.")
@click.option("--outputs-only", "-o", is_flag=True, help="Only the outputs.")
@scope_options
@output_option(short=False)
@click.pass_obj
def get_io(
    state: CliState,
    run_name: str,
    action_name: str | None,
    inputs_only: bool,
    outputs_only: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Show the inputs and outputs of a run, or of an action of it. Pickled values are named, never opened."""
    if inputs_only and outputs_only:
        raise click.UsageError("--inputs-only and --outputs-only exclude each other.")
    connect(state, project=project, domain=domain)
    details = ActionDetails.get(run_name=run_name, name=action_name or ROOT_ACTION)
    found: dict[str, dict[str, Any]] = {}
    if not outputs_only:
        found["inputs"] = _plain(bridge.run(details.input_literals()))
    if not inputs_only:
        found["outputs"] = _plain(bridge.run(details.output_literals()))
    if state.is_json:
        print_json(found)
        return
    for title, values in found.items():
        click.echo(f"{title}:" + ("" if values else " none"))
        for name, value in values.items():
            click.echo(f"  {cell(name)} = {cell(repr(value))}")
    if not inputs_only and not details.phase.is_success:
        click.echo(f"The action {details.name} is {details.phase.value}.", err=True)


def _plain(literals: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(literal) for name, literal in literals.items()}


@click.command("logs", context_settings=SETTINGS)
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option(
    "--lines", "-l", type=click.IntRange(min=0), default=30, show_default=True,
    help="How many of the last lines, of a log that is over. One that grows is shown whole, and on.",
)  # fmt: skip
@click.option("--show-ts", is_flag=True, help="Times before the lines.")
@click.option("--pretty", is_flag=True, help="Accepted for compatibility; changes nothing.")
@click.option("--attempt", "-a", type=click.IntRange(min=1), help="Which attempt. [default: the newest]")
@click.option("--filter-system", is_flag=True, help="Without the lines of the system.")
@scope_options
@output_option()
@click.pass_obj
def get_logs(
    state: CliState,
    run_name: str,
    action_name: str | None,
    lines: int,
    show_ts: bool,
    pretty: bool,
    attempt: int | None,
    filter_system: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Show the log of a run, or of an action of it; of one that goes on, until it is over."""
    connect(state, project=project, domain=domain)
    action = Action.get(run_name=run_name, name=action_name or ROOT_ACTION)
    log = action.get_logs(attempt=attempt, filter_system=filter_system, show_ts=show_ts)
    if action.done() or state.is_json:
        kept = deque((part for line in log for part in log_lines(line)), maxlen=lines)
        print_json(list(kept)) if state.is_json else sys.stdout.writelines(f"{line}\n" for line in kept)
        return
    for line in log:
        sys.stdout.writelines(f"{part}\n" for part in log_lines(line))
        sys.stdout.flush()
