"""Waiting for a run, and what is printed of how it ended: the result alone on stdout, all else on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import rich_click as click

from flyte.cli.exits import INTERRUPTED, OK, code_of_error, code_of_phase, print_error, safe_text
from flyte.cli.printing import jsonable, print_json
from flyte.cli.state import CliState
from flyte.cli.values import is_opaque, plain
from flyte.errors import BaseRuntimeError, FlyteError
from flyte.remote.progress import Display, Lines, Quiet, follow, moving
from flyte.remote.run import Run


@contextlib.contextmanager
def _display(run: Run, state: CliState) -> Iterator[Display]:
    if state.no_progress:
        yield Quiet()
    elif sys.stderr.isatty():
        with moving(run.name) as display:
            yield display
    else:
        yield Lines()


def wait_and_print(run: Run, outputs: int, *, with_logs: bool, state: CliState, is_deployed: bool) -> int:
    """Wait for a run and print its result; Ctrl-C leaves it running and says how to go on.

    Args:
        outputs: How many outputs its task has.
        is_deployed: The task's code is not at hand, so that pickled outputs stay closed.

    Returns:
        The exit code.
    """

    async def wait() -> None:
        with _display(run, state) as display:
            await follow(run, display, with_logs=with_logs)

    try:
        asyncio.run(wait())
        return _print_end(run, outputs, state, with_logs=with_logs, is_deployed=is_deployed)
    except KeyboardInterrupt:
        print(
            f"The run {run.name} goes on without this command.\n"
            f"See how it does:  flyte get run {run.name}\n"
            f"Follow its log:   flyte get logs {run.name}\n"
            f"Abort it:         flyte abort run {run.name}",
            file=sys.stderr,
        )
        return INTERRUPTED
    except FlyteError as e:
        print_error(e)
        print(f"What became of the run is not known. Ask with: flyte get run {run.name}", file=sys.stderr)
        return code_of_error(e)


def _print_end(run: Run, outputs: int, state: CliState, *, with_logs: bool, is_deployed: bool) -> int:
    code = code_of_phase(run.phase)
    if code != OK:
        _print_failure(run, state, with_hint=not with_logs)
        return code
    literals = run.output_literals() if is_deployed else {}
    if any(is_opaque(literal) for literal in literals.values()):
        print_values({name: plain(literal) for name, literal in literals.items()}, state)
    else:
        print_outputs(run.outputs(), outputs, state)
    return code


def _print_failure(run: Run, state: CliState, *, with_hint: bool) -> None:
    try:
        run.raise_for_status()
    except BaseRuntimeError as e:
        if state.is_json:
            print_json({"name": run.name, "phase": run.phase.value, "code": e.code, "message": e.message})
        text = f"{run.name} {run.phase.value.upper()}: {e.code}: {e.message}"
        print(f"Error: {safe_text(text)}", file=sys.stderr)
        if with_hint:
            print(f"Its log: flyte get logs {run.name}", file=sys.stderr)


def print_outputs(outputs: Any, count: int, state: CliState) -> None:
    """The repr of one output, of the tuple of several, nothing for none; JSON by name when asked for."""
    print_values(dict(list(outputs.named_outputs.items())[:count]), state)


def print_values(values: dict[str, Any], state: CliState) -> None:
    """See `print_outputs`."""
    if state.is_json:
        print_json(jsonable(values))
    elif values:
        click.echo(safe_text(repr(next(iter(values.values())) if len(values) == 1 else tuple(values.values()))))
