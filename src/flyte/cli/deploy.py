"""`flyte deploy`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rich_click as click

from flyte.authoring.environment import Environment
from flyte.cli.exits import safe_text
from flyte.cli.groups import PAGE
from flyte.cli.options import SETTINGS, output_option, scope_options
from flyte.cli.printing import print_json, print_rows, user_output_apart
from flyte.cli.state import CliState
from flyte.cli.userfile import FileGroup, NamesInFile, connect_to_run, file_path, listed, state_of
from flyte.errors import FeatureNotAvailable
from flyte.launch.deploying import DeployedTask, Deployment
from flyte.launch.deploying import deploy as deploy_environments
from flyte.launch.discover import environment_named

_FLAGS = "flyte.deploy.flags"


@dataclass(frozen=True)
class DeployFlags:
    """The options of `flyte deploy`."""

    project: str | None
    domain: str | None
    version: str | None
    dry_run: bool
    copy_style: str
    root_dir: str | None
    image: tuple[str, ...]
    no_sync_local_sys_paths: bool


def _flags(context: click.Context) -> DeployFlags:
    flags = context.meta[_FLAGS]
    assert isinstance(flags, DeployFlags)
    return flags


class _DeployGroup(NamesInFile):
    """`flyte deploy FILE ENVIRONMENT`: the file is the subcommand, its environments are the subcommands of it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _FileGroup(
            name=cmd_name,
            path=file_path(cmd_name),
            flags=_flags,
            help=f"Deploy an environment of {cmd_name}, by the variable it is assigned to.",
            subcommand_metavar="ENVIRONMENT",
        )


class _FileGroup(FileGroup):
    """The environments of one file, by variable."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._file(ctx).environments)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        env = environment_named(self._file(ctx), cmd_name)
        return listed(cmd_name, f"Deploy the environment {safe_text(env.name)}.")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        env = environment_named(self._file(ctx), args[0])
        return args[0], _EnvironmentCommand(args[0], env), args[1:]


class _EnvironmentCommand(click.RichCommand):
    """One environment."""

    def __init__(self, variable: str, env: Environment) -> None:
        def invoke() -> None:
            context: click.Context | None = click.get_current_context()
            assert context is not None
            execute(env, _flags(context), state_of(context))

        summary = f"Deploy the environment {safe_text(env.name)} with all that it depends on."
        super().__init__(name=variable, callback=invoke, help=summary, context_settings=SETTINGS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return NamesInFile.with_hint(super().parse_args, ctx, args)


def execute(env: Environment, flags: DeployFlags, state: CliState) -> None:
    """Deploy an environment and print what became of each task."""
    if not flags.dry_run:
        connect_to_run(state, flags)
    with user_output_apart(state):
        (deployment,) = deploy_environments(
            env, dry_run=flags.dry_run, version=flags.version, copy_style=flags.copy_style
        )
    print_deployment(deployment, state, is_dry=flags.dry_run)


def _status(task: DeployedTask, is_dry: bool) -> str:
    return "not sent" if is_dry else "deployed" if task.is_new else "unchanged"


def print_deployment(deployment: Deployment, state: CliState, *, is_dry: bool) -> None:
    """A row for each task, and the summary; or JSON."""
    rows = [
        {
            "type": "task",
            "name": task.name,
            "version": task.version,
            "environment": env.get_name(),
            "image": env.image,
            "status": _status(task, is_dry),
        }
        for env in deployment.envs.values()
        for task in env.deployed_entities
    ]
    if state.is_json:
        environments = [{"name": env.get_name(), "image": env.image} for env in deployment.envs.values()]
        print_json({"version": deployment.version, "environments": environments, "tasks": rows})
        return
    print_rows(rows, state, empty="The environment has no tasks.")
    click.echo(safe_text(deployment.summary_repr()))


@click.group(cls=_DeployGroup, context_settings=SETTINGS, subcommand_metavar="FILE ENVIRONMENT")
@scope_options
@click.option("--version", help="Version, in place of one that follows from code, environments and images.")
@click.option("--dry-run", "--dryrun", is_flag=True, help="Show what would be deployed, and send nothing.")
@click.option(
    "--copy-style", type=click.Choice(["loaded_modules", "all", "none", "custom"]), default="loaded_modules",
    show_default=True, help="Which files go along.",
)  # fmt: skip
@click.option(
    "--root-dir", help="Folder that modules and the bundle are relative to; the working directory by default."
)
@click.option("--image", multiple=True, metavar="NAME=ADDRESS", help="Address of a named image; repeatable.")
@click.option("--no-sync-local-sys-paths", is_flag=True, help="Do not hand this process's sys.path to tasks.")
@click.option("--all", is_flag=True, hidden=True)
@click.option("--recursive", "-r", is_flag=True, hidden=True)
@click.option("--ignore-load-errors", "-i", is_flag=True, hidden=True)
@output_option()
@click.pass_context
def deploy(context: click.RichContext, /, **flags: Any) -> None:
    """Deploy an environment of a file, by the variable it is assigned to, with all that it depends on.

    `flyte deploy hello.py env`, and then `flyte run deployed-task ENVIRONMENT.TASK`
    """
    for name in ("all", "recursive", "ignore_load_errors"):
        if flags.pop(name):
            option = f"--{name.replace('_', '-')}"
            raise FeatureNotAvailable(
                f"`flyte deploy {option}` is not available in this version ({PAGE} lists what is). "
                "Deploy one environment at a time: flyte deploy FILE ENVIRONMENT"
            )
    context.meta[_FLAGS] = DeployFlags(**flags)
