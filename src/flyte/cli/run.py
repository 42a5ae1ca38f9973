"""`flyte run`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from typing import Any

import rich_click as click

from flyte.cli import connect
from flyte.cli.exits import code_of_error, safe_text
from flyte.cli.groups import nearest, normalised, not_available
from flyte.cli.inputs import InputError, input_options, values_of
from flyte.cli.options import SETTINGS, output_option, pairs, scope_options
from flyte.cli.printing import print_json, user_output_apart
from flyte.cli.result import print_outputs, wait_and_print
from flyte.cli.state import CliState
from flyte.cli.userfile import FileGroup, NamesInFile, connect_to_run, file_path, listed, misplaced, state_of
from flyte.errors import BackendUnreachable, BaseRuntimeError, InvalidValue, RemoteTaskNotFoundError
from flyte.launch.discover import task_named, unknown_name
from flyte.launch.running import Runner, RunOptions
from flyte.model.interface import NativeInterface
from flyte.remote.task import Task, TaskDetails
from flyte.runtime.invocation import user_traceback

DEPLOYED = "deployed-task"
_LATER_WORDS = frozenset({"hello", "python-script"})
_LATER_OPTIONS = frozenset({"--tui", "--tracked", "--tracked-strict"})
_FLAGS = "flyte.run.flags"
_MOST_NAMES = 1000


@dataclass(frozen=True)
class RunFlags:
    """The options of `flyte run` itself."""

    local: bool
    follow: bool
    detach: bool
    name: str | None
    project: str | None
    domain: str | None
    version: str | None
    copy_style: str
    root_dir: str | None
    env: tuple[str, ...]
    label: tuple[str, ...]
    image: tuple[str, ...]
    overwrite_cache: bool
    disable_run_cache: bool
    raw_data_path: str | None
    run_base_dir: str | None
    service_account: str | None
    interruptible: bool | None
    queue: str | None
    max_action_concurrency: int | None
    dry_run: bool
    no_sync_local_sys_paths: bool
    debug: bool

    def options(self, state: CliState) -> RunOptions:
        """The run context."""
        return RunOptions(
            mode="local" if self.local else "remote",
            name=self.name,
            project=self.project,
            domain=self.domain,
            version=self.version,
            copy_style=self.copy_style,
            env_vars=pairs(self.env, "--env"),
            labels=pairs(self.label, "--label"),
            overwrite_cache=self.overwrite_cache,
            disable_run_cache=self.disable_run_cache,
            raw_data_path=self.raw_data_path,
            run_base_dir=self.run_base_dir,
            service_account=self.service_account,
            interruptible=self.interruptible,
            queue=self.queue,
            max_action_concurrency=self.max_action_concurrency,
            log_level=state.log_level if state.verbose else None,
            log_format=state.log_format,
            user_log_level=state.user_level,
            dry_run=self.dry_run,
            debug=self.debug,
        )


def _flags(context: click.Context) -> RunFlags:
    flags = context.meta[_FLAGS]
    assert isinstance(flags, RunFlags)
    return flags


class _RunGroup(NamesInFile):
    """`flyte run FILE TASK …`: the file is the subcommand, and the tasks in it are its subcommands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as e:
            if e.option_name in _LATER_OPTIONS:
                raise click.UsageError(not_available(f"flyte run {e.option_name}"), ctx) from None
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [DEPLOYED]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        path = file_path(cmd_name)
        if cmd_name == DEPLOYED or (normalised(cmd_name) == DEPLOYED and not path.exists()):
            return _DEPLOYED_GROUP
        if normalised(cmd_name) in _LATER_WORDS and not path.exists():
            raise click.UsageError(not_available(f"flyte run {cmd_name}"), ctx)
        return _FileGroup(
            name=cmd_name, path=path, flags=_flags, help=f"Run a task of {cmd_name}.", subcommand_metavar="TASK"
        )


class _FileGroup(FileGroup):
    """The tasks of one file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._file(ctx).tasks)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        task = task_named(self._file(ctx), cmd_name)
        return _TaskCommand(cmd_name, task, task.interface, task.__doc__)


class _DeployedGroup(NamesInFile):
    """Deployed tasks."""

    def _connect(self, ctx: click.Context, *, start: bool) -> None:
        flags = _flags(ctx)
        connect.connect(
            state_of(ctx),
            project=ctx.params.get("project") or flags.project,
            domain=ctx.params.get("domain") or flags.domain,
            start=start,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        try:
            self._connect(ctx, start=False)
            return sorted(task.name for task in Task.listall(limit=_MOST_NAMES))
        except BackendUnreachable:
            return []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return listed(cmd_name, f"Run the deployed task {cmd_name}.")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        flags, name = _flags(ctx), args[0]
        if flags.local:
            raise InvalidValue("A deployed task runs on a backend: leave out --local.")
        self._connect(ctx, start="--help" not in args)
        details = _fetched(name)
        description = details.spec.documentation.short_description
        return name, _TaskCommand(name, details, details.interface, description), args[1:]


def _fetched(named: str) -> TaskDetails:
    name, _, version = named.partition(":")
    handle = Task.get(name, version=version) if version else Task.get(name, auto_version="latest")
    try:
        details = handle.fetch()
    except RemoteTaskNotFoundError:
        known = sorted(task.name for task in Task.listall(limit=_MOST_NAMES))
        if name in known:
            versions = [row.version for row in Task.versions(name)]
            raise unknown_name(f"version of task {name}", version, versions) from None
        raise unknown_name("deployed task", name, known, hint="Deploy with: flyte deploy FILE ENVIRONMENT") from None
    assert isinstance(details, TaskDetails)
    return details


class _TaskCommand(click.RichCommand):
    """One task; its options are its inputs."""

    def __init__(self, name: str, task: Any, interface: NativeInterface, help_text: str | None) -> None:
        def invoke(**given: Any) -> int:
            values = values_of(interface, given)
            context: click.Context | None = click.get_current_context()
            assert context is not None
            return execute(task, values, _run_flags_of(context), state_of(context))

        super().__init__(
            name=name,
            params=list(input_options(interface)),
            callback=invoke,
            help=_summary(help_text) or f"Run the task {safe_text(name)}.",
            context_settings=SETTINGS,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as e:
            hint = misplaced(e, ctx, f"the task {ctx.info_name}")
            if hint is not None:
                raise hint from None
            known = [o for p in self.params if not getattr(p, "hidden", False) for o in p.opts if o.startswith("--")]
            listed_inputs = f" Its inputs: {', '.join(known)}." if known else " It has no inputs."
            raise InputError(
                f"The task {ctx.info_name} has no input {e.option_name}.{nearest(e.option_name, known)}{listed_inputs}"
            ) from None
        return rest


def _run_flags_of(context: click.Context) -> RunFlags:
    """The options of `flyte run`, with those of `deployed-task` before them."""
    flags = _flags(context)
    group = context.parent
    if group is not None and isinstance(group.command, _DeployedGroup):
        given = {name: value for name, value in group.params.items() if value is not None}
        return RunFlags(**{**{f.name: getattr(flags, f.name) for f in fields(RunFlags)}, **given})
    return flags


def _summary(docstring: str | None) -> str:
    """A docstring up to the descriptions of arguments, which stand at the options."""
    lines: list[str] = []
    for line in (docstring or "").strip().splitlines():
        if line.strip() in ("Args:", "Arguments:", "Returns:", "Raises:", "Parameters") or line.strip().startswith(":"):
            break
        lines.append(line.strip())
    return safe_text("\n".join(lines).strip())


def execute(task: Any, values: dict[str, Any], flags: RunFlags, state: CliState) -> int:
    """Run a task, wait as the flags say, and print the result; gives the exit code."""
    if flags.local and flags.detach:
        raise InvalidValue("A local run ends with its command: leave out --detach, or --local.")
    runner = Runner(flags.options(state))
    is_deployed = isinstance(task, TaskDetails)
    if flags.local and not flags.dry_run:
        return _execute_local(runner, task, values, state)
    if not flags.dry_run and not is_deployed:
        connect_to_run(state, flags)
    with user_output_apart(state):
        run = runner.run(task, **values)
    if flags.dry_run:
        print_dry_run(run, state)
        return 0
    print(f"Run {run.name}\n{safe_text(run.url)}", file=sys.stderr, flush=True)
    if flags.detach:
        if state.is_json:
            print_json({"name": run.name, "url": run.url, "phase": run.phase.value})
        return 0
    count = len(task.interface.outputs)
    return wait_and_print(run, count, with_logs=flags.follow, state=state, is_deployed=is_deployed)


def print_dry_run(run: Any, state: CliState) -> None:
    """What would have been sent: the task's specification in protobuf's text form."""
    spec = run.task_spec
    if state.is_json:
        identifier = spec.task_template.id
        print_json({"task": identifier.name, "version": identifier.version, "spec": str(spec)})
    else:
        click.echo(str(spec))


def _execute_local(runner: Runner, task: Any, values: dict[str, Any], state: CliState) -> int:
    try:
        with user_output_apart(state):
            run = runner.run(task, **values)
    except BaseRuntimeError as e:
        cause = e.__cause__
        if cause is not None:
            print(safe_text(user_traceback(cause)), file=sys.stderr, end="")
        print(f"Error: {safe_text(f'{e.code}: {e.message}')}", file=sys.stderr)
        return code_of_error(e)
    print_outputs(run.outputs(), len(task.interface.outputs), state)
    return 0


_DEPLOYED_GROUP = scope_options(
    _DeployedGroup(
        name=DEPLOYED,
        help="Run a task that is deployed: ENVIRONMENT.TASK, or ENVIRONMENT.TASK:VERSION.",
        subcommand_metavar="ENVIRONMENT.TASK[:VERSION] [INPUTS]",
        context_settings=SETTINGS,
    )
)


@click.group(
    cls=_RunGroup,
    context_settings=SETTINGS,
    subcommand_metavar="FILE TASK [INPUTS]",
)
@click.option("--local", is_flag=True, help="Run in this process, without a backend.")
@click.option("-f", "--follow", is_flag=True, help="Show the log while the run goes on.")
@click.option("--detach", is_flag=True, help="Return after submission, without waiting.")
@click.option("--name", help="Name of the run; one is given by default.")
@click.option("-p", "--project", "--run-project", "project", help="Project of the run.")
@click.option("-d", "--domain", "--run-domain", "domain", help="Domain of the run.")
@click.option("--version", help="Version of the code, in place of the bundle's digest.")
@click.option(
    "--copy-style", type=click.Choice(["loaded_modules", "all", "none", "custom"]), default="loaded_modules",
    show_default=True, help="Which files go along.",
)  # fmt: skip
@click.option(
    "--root-dir", help="Folder that modules and the bundle are relative to; the working directory by default."
)
@click.option("--env", "-e", multiple=True, metavar="KEY=VALUE", help="Environment variable of all tasks; repeatable.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="Label of the run; repeatable.")
@click.option("--image", multiple=True, metavar="NAME=ADDRESS", help="Address of a named image; repeatable.")
@click.option("--overwrite-cache", is_flag=True, help="Make cached results anew.")
@click.option("--disable-run-cache", is_flag=True, help="Local runs: neither use nor keep results.")
@click.option("--raw-data-path", help="Where large values go.")
@click.option("--run-base-dir", help="Where the run's data goes.")
@click.option("--service-account", help="Kubernetes service account.")
@click.option("--interruptible/--no-interruptible", default=None, help="Whether tasks may be pre-empted.")
@click.option("--queue", help="Queue of the run.")
@click.option("--max-action-concurrency", type=int, help="How many actions of the run go on at once.")
@click.option("--dry-run", "--dryrun", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--no-sync-local-sys-paths", is_flag=True, help="Do not hand this process's sys.path to tasks.")
@click.option("--debug", is_flag=True, help="Ask for a debuggable run.")
@output_option()
@click.pass_context
def run(context: click.RichContext, /, **flags: Any) -> None:
    """Run a task of a file, or a deployed one, and print its result.

    Options of this command come before FILE; what follows TASK are the task's inputs:
    `flyte run --name first hello.py main --n 3`
    """
    context.meta[_FLAGS] = RunFlags(**flags)
