"""`flyte start|stop|get backend`: this machine's own."""

from __future__ import annotations

import math
import os
import pathlib
import shutil
import sys
from typing import Any

import rich_click as click

from flyte.cli.groups import LazyGroup
from flyte.cli.options import SETTINGS, output_option
from flyte.cli.printing import print_json, print_object
from flyte.cli.state import CliState
from flyte.client import local_backend
from flyte.client.init import sdk_version
from flyte.client.local_backend import BackendRecord
from flyte.config.home import backend_folder
from flyte.errors import BackendError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Data folder. [default: ~/.flyte/backend]",
)


def _folder(data: pathlib.Path | None) -> pathlib.Path:
    return (data or backend_folder()).expanduser().absolute()


def _program(name: str) -> str:
    """The path of a program, links unresolved: the one of a virtual environment is a link."""
    found = shutil.which(name)
    if found is None:
        raise BackendError(f"--task-python {name} is no program: give the path of a Python.")
    return str(pathlib.Path(found).absolute())


@click.group(cls=LazyGroup, later=frozenset({"devbox", "tui"}))
def start() -> None:
    """Start something on this machine."""


@start.command("backend", context_settings=SETTINGS)
@_DATA
@click.option("--detach", is_flag=True, help="Return when it is ready.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for a free one. [default: 30080, or a free one]")
@click.option("--task-python", help="Python of tasks whose image names none. [default: this one]")
@click.option("--slots", type=click.IntRange(min=1), help="How many tasks run at once.")
@click.option("--keep-tasks", is_flag=True, help="Leave tasks running when the backend ends.")
@output_option()
@click.pass_obj
def start_backend(
    state: CliState,
    data: pathlib.Path | None,
    detach: bool,
    host: str,
    port: int | None,
    task_python: str | None,
    slots: int | None,
    keep_tasks: bool,
) -> None:
    """Start the backend of this machine: API, uploads and data in one folder, on one port.

    Whoever reaches its port can run code as you. It listens on loopback only.
    """
    if host not in _LOOPBACK:
        raise BackendError(
            f"--host {host} is refused: whoever reaches the port can run code as you, and this version knows no users "
            "yet. Only loopback addresses are possible."
        )
    task_python = _program(task_python) if task_python else None
    folder = local_backend.prepared_folder(_folder(data))
    if detach:
        record, started = local_backend.start_detached(
            folder, port=port, task_python=task_python, slots=slots, host=host, keep_tasks=keep_tasks
        )
        local_backend.require_same_version(record, sdk_version())
        _print_started(record, started, state, is_default_port=port is None)
        return
    running = local_backend.find(folder)
    if running is not None:
        raise BackendError(
            f"A backend runs already on {folder}: {running.url} (process {running.pid}). "
            "Stop it with `flyte stop backend`, or give another --data."
        )
    chosen = port if port is not None else local_backend.free_port(host)
    if port is None and chosen == 0:
        click.echo(f"Port {local_backend.DEFAULT_PORT} belongs to another program; taking a free one.", err=True)
    command = local_backend.server_command(folder, chosen, task_python, slots, host=host, keep_tasks=keep_tasks)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  the backend takes the place of this command


def _print_started(record: BackendRecord, started: bool, state: CliState, *, is_default_port: bool) -> None:
    if state.is_json:
        print_json({"started": started, **_facts(record)})
        return
    word = "Started" if started else "Already running"
    click.echo(f"{word}: {record.url} (process {record.pid}, data {record.data})")
    reason = local_backend.reason_of_port(record) if started and is_default_port else ""
    if reason:
        click.echo(f"{reason.capitalize()}; this one is free.", err=True)


def _facts(record: BackendRecord) -> dict[str, Any]:
    return {
        "url": record.url,
        "pid": record.pid,
        "version": record.version,
        "data": record.data,
        "started_at": record.started_at,
    }


@click.group(cls=LazyGroup, later=frozenset({"devbox"}))
def stop() -> None:
    """Stop something on this machine."""


def _finite(_context: click.Context, _parameter: click.Parameter, seconds: float) -> float:
    if not math.isfinite(seconds):
        raise click.BadParameter("it must be a number of seconds")
    return seconds


@stop.command("backend", context_settings=SETTINGS)
@_DATA
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    callback=_finite,
    help="Seconds that running tasks get to finish, before they are ended.",
)
@click.option("--keep-tasks", is_flag=True, help="End the backend alone: tasks go on, and its next start finds them.")
@output_option()
@click.pass_obj
def stop_backend(state: CliState, data: pathlib.Path | None, grace: float, keep_tasks: bool) -> None:
    """End the backend and the tasks that run. Interrupted attempts are retried at the next start."""
    stopped = local_backend.stop(
        _folder(data),
        grace_seconds=grace,
        keep_tasks=keep_tasks,
        on_wait=lambda: click.echo(f"Running tasks get up to {grace:g} s to finish (--grace).", err=True),
    )
    if state.is_json:
        print_json({"stopped": stopped})
    else:
        click.echo("Stopped." if stopped else "No backend runs.")


@click.command("backend", context_settings=SETTINGS)
@_DATA
@output_option()
@click.pass_obj
def get_backend(state: CliState, data: pathlib.Path | None) -> None:
    """Show whether the backend of this machine runs, and where."""
    folder = _folder(data)
    record = local_backend.read_record(folder)
    if record is None or not local_backend.runs(record):
        print_object({"running": False, "data": str(folder)}, state)
        return
    ready = local_backend.health(record.url) is not None
    other = None if record.version == sdk_version() else f"this is {sdk_version()}: restart the backend"
    print_object({"running": True, "ready": ready, **_facts(record), "note": other}, state)
