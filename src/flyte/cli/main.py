"""The entry point of the `flyte` command."""

from __future__ import annotations

import os
import sys
from typing import Any

import rich_click as click

from flyte.cli.exits import FAILED, INTERRUPTED, code_of_error, print_error
from flyte.cli.groups import LazyGroup
from flyte.cli.state import CliState
from flyte.errors import FlyteError

_COMMANDS = {
    "abort": "flyte.cli.abort:abort",
    "create": "flyte.cli.create:create",
    "deploy": "flyte.cli.deploy:deploy",
    "get": "flyte.cli.get:get",
    "run": "flyte.cli.run:run",
    "start": "flyte.cli.backend:start",
    "stop": "flyte.cli.backend:stop",
    "whoami": "flyte.cli.whoami:whoami",
}


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from flyte.client.version import VERSION

        click.echo(f"flyte-py {VERSION}")
        context.exit()


@click.group(cls=LazyGroup, commands_table=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
    type=click.Choice(["table", "table-simple", "json", "json-raw"]), default="table", help="How results are printed.",
)  # fmt: skip
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", help="Format of messages.")
@click.option(
    "--user-log-level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    help="Level of user code.",
)
@click.option("--no-progress", is_flag=True, help="No moving progress on a terminal.")
@click.pass_context
def flyte(
    context: click.Context,
    config: str | None,
    endpoint: str | None,
    insecure: bool | None,
    org: str | None,
    image_builder: str | None,
    verbose: int,
    output: str,
    log_format: str,
    user_log_level: str | None,
    no_progress: bool,
) -> None:
    """Run Python functions durably, with typed data, caching, retries and logs.

    `flyte run hello.py main` needs nothing else: it starts a backend on this machine.
    """
    context.obj = CliState(
        config=config,
        endpoint=endpoint,
        insecure=insecure,
        org=org,
        image_builder=image_builder,
        verbose=verbose,
        output=output,
        log_format=log_format,
        user_log_level=user_log_level,
        no_progress=no_progress,
    )
    context.obj.set_levels()


def main(argv: list[str] | None = None) -> Any:
    """Run the command line and leave the process with its exit code."""
    try:
        code = flyte.main(args=argv, prog_name="flyte", standalone_mode=False)
    except click.exceptions.Abort:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except click.ClickException as e:
        e.show()
        code = e.exit_code
    except FlyteError as e:
        print_error(e)
        code = code_of_error(e)
        if os.environ.get("FLYTE_TRACEBACK"):
            raise
    except BrokenPipeError:
        code = FAILED
    sys.stdout.flush()
    raise SystemExit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
