"""The entry point of the `flyte` command."""

from __future__ import annotations

import bdb
import logging
import os
import sys
import traceback
from typing import Any, NoReturn

import click.exceptions as click_exceptions
import rich_click as click

from flyte.cli.exits import FAILED, INTERRUPTED, code_of_error, print_error, safe_text
from flyte.cli.groups import Entry, LazyGroup
from flyte.cli.options import OUTPUT_FORMATS
from flyte.cli.state import CliState
from flyte.errors import FlyteError
from flyte.leaving import leave

_COMMANDS = {
    "abort": Entry("flyte.cli.abort:abort", "Abort a run or an action."),
    "create": Entry("flyte.cli.create:create", "Create a configuration file or a project."),
    "deploy": Entry("flyte.cli.deploy:deploy", "Deploy the environments of a file."),
    "get": Entry("flyte.cli.get:get", "Show runs, actions, inputs and outputs, logs, tasks, projects and more."),
    "run": Entry("flyte.cli.run:run", "Run a task of a file, or a deployed one, and print its result."),
    "start": Entry("flyte.cli.backend:start", "Start something on this machine."),
    "stop": Entry("flyte.cli.backend:stop", "Stop something on this machine."),
    "whoami": Entry("flyte.cli.whoami:whoami", "Say who you are to the backend."),
}
_LATER = frozenset({"build", "delete", "edit", "gen", "prefetch", "proxy", "rerun", "serve", "signal", "update"})


_NoArguments: Any = getattr(click_exceptions, "NoArgsIsHelpError", ())


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from flyte.client.version import VERSION

        click.echo(f"flyte-py {VERSION}")
        context.exit()


@click.group(
    cls=LazyGroup,
    entries=_COMMANDS,
    later=_LATER,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.option("-c", "--config", type=click.Path(dir_okay=False), help="Configuration file in place of the search.")
@click.option("--endpoint", help="Backend, as host:port; before what the configuration says.")
@click.option("--insecure", is_flag=True, default=None, help="Plain text instead of TLS.")
@click.option("--org", help="Organisation.")
@click.option(
    "--image-builder",
    "--builder",
    type=click.Choice(["local", "local-podman", "remote"]),
    help="Image builder.",
)
@click.option("-v", "--verbose", count=True, help="More messages of the framework: -v, -vv, -vvv.")
@click.option(
    "--output-format", "-o", "-of", "output",
    type=click.Choice(OUTPUT_FORMATS), default="table", help="How results are printed.",
)  # fmt: skip
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    envvar="LOG_FORMAT",
    help="Format of messages.",
)
@click.option(
    "--user-log-level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False),
    help="Level of user code.",
)
@click.option("--reset-root-logger", is_flag=True, help="Replace the format of handlers that are there already.")
@click.option("--no-progress", is_flag=True, help="No progress of runs, neither moving nor in lines.")
@click.pass_context
def flyte(context: click.RichContext, /, **options: Any) -> None:
    """Run Python functions durably, with typed data, caching, retries and logs.

    `flyte run hello.py main` needs nothing else: it starts a backend on this machine.
    """
    context.obj = CliState(**options)
    context.obj.set_levels()


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    try:
        code = flyte.main(args=argv, prog_name="flyte", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except click.ClickException as e:
        _show_usage_error(e)
        code = e.exit_code
    except FlyteError as e:
        _show_traceback()
        print_error(e)
        code = code_of_error(e)
    except BrokenPipeError:
        # Whoever read our output is gone. Python would complain once more when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except bdb.BdbQuit:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except Exception as e:  # noqa: BLE001  an edge: nobody sees a raw traceback
        _show_traceback()
        sentence = f"Error: flyte itself failed: {type(e).__name__}: {e}"
        print(f"{safe_text(sentence)}\nPlease report it with the traceback that `flyte -vvv …` shows.", file=sys.stderr)
        code = FAILED
    code = code if isinstance(code, int) else 0
    if argv is None:
        leave(code)
    raise SystemExit(code)


def _show_usage_error(error: click.ClickException) -> None:
    """The usage where click knows it, and the sentence."""
    if isinstance(error, click.UsageError) and error.ctx is not None and not isinstance(error, _NoArguments):
        print(
            f"{' '.join(safe_text(error.ctx.get_usage()).split())}\nSee: {error.ctx.command_path} --help",
            file=sys.stderr,
        )
    if isinstance(error, _NoArguments):
        error.show()
    else:
        print(f"Error: {safe_text(error.format_message())}", file=sys.stderr)


def _show_traceback() -> None:
    """The traceback of the error at hand, for those who asked for it or for debug messages."""
    if os.environ.get("FLYTE_TRACEBACK") == "1" or logging.getLogger("flyte").isEnabledFor(logging.DEBUG):
        print(safe_text(traceback.format_exc()), file=sys.stderr, end="")


if __name__ == "__main__":
    main()
