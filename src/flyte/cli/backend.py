"""`flyte start backend`, `flyte stop backend`."""

from __future__ import annotations

import os
import pathlib
import sys

import rich_click as click

from flyte.cli.groups import normalised
from flyte.client import local_backend
from flyte.config.home import backend_folder, ensure_private
from flyte.errors import BackendError

_SETTINGS = {"token_normalize_func": normalised}
_DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Data folder. [default: ~/.flyte/backend]",
)


@click.group(context_settings=_SETTINGS)
def start() -> None:
    """Start something on this machine."""


@start.command("backend", context_settings=_SETTINGS)
@_DATA
@click.option("--detach", is_flag=True, help="Return when it is ready.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", type=int, help="Port to listen on, 0 for a free one. [default: 30080, or a free one]")
@click.option("--task-python", help="Python of tasks whose image names none. [default: this one]")
@click.option("--slots", type=int, help="How many tasks run at once.")
@click.option("--keep-tasks", is_flag=True, help="Leave tasks running when the backend ends.")
def start_backend(
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
    folder = ensure_private((data or backend_folder()).expanduser().absolute())
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise BackendError(
            f"--host {host} is refused: whoever reaches the port can run code as you, and this version knows no users "
            "yet. Only loopback addresses are possible."
        )
    if detach:
        record, started = local_backend.start_detached(folder, port=port, task_python=task_python, slots=slots)
        click.echo(
            f"{'Started' if started else 'Already running'}: {record.url} (process {record.pid}, data {record.data})"
        )
        return
    chosen = port if port is not None else local_backend.free_port()
    if port is None and chosen == 0:
        click.echo(f"Port {local_backend.DEFAULT_PORT} belongs to another program; taking a free one.", err=True)
    command = local_backend.server_command(folder, chosen, task_python, slots)
    if keep_tasks:
        command.append("--keep-tasks")
    sys.stdout.flush()
    os.execv(command[0], command)


@click.group(context_settings=_SETTINGS)
def stop() -> None:
    """Stop something on this machine."""


@stop.command("backend", context_settings=_SETTINGS)
@_DATA
@click.option("--grace", type=float, default=10.0, show_default=True, help="Seconds that tasks get to end.")
def stop_backend(data: pathlib.Path | None, grace: float) -> None:
    """Drain and end the backend. Interrupted attempts are retried at the next start."""
    folder = data.expanduser().absolute() if data else None
    if local_backend.stop(folder, grace_seconds=grace):
        click.echo("Stopped.")
    else:
        click.echo("No backend runs.")
