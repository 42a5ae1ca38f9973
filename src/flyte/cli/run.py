"""`flyte run`."""

from __future__ import annotations

import json
import pathlib
import sys
from dataclasses import dataclass
from typing import Any

import rich_click as click

from flyte.cli.exits import INTERRUPTED, code_of_error, code_of_phase, safe_text
from flyte.cli.groups import normalised
from flyte.cli.inputs import InputError, input_options, values_of
from flyte.cli.state import CliState
from flyte.errors import BaseRuntimeError, InvalidValue
from flyte.launch.discover import load_file, task_named, unknown_name
from flyte.launch.running import Runner, RunOptions

DEPLOYED = "deployed-task"


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
    tui: bool

    def options(self) -> RunOptions:
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
            dry_run=self.dry_run,
            debug=self.debug,
        )


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """`KEY=VALUE` texts as a dict.

    Raises:
        InvalidValue: A text has no `=` or no key.
    """
    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise InvalidValue(f"{option} {text!r} must be KEY=VALUE.")
        found[key] = value
    return found


class _RunGroup(click.RichGroup):
    """`flyte run FILE TASK …`: the file is the subcommand, and the tasks in it are its subcommands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [DEPLOYED]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        flags = RunFlags(**{name: ctx.params[name] for name in RunFlags.__dataclass_fields__})
        if cmd_name == DEPLOYED:
            return _DeployedGroup(
                name=DEPLOYED, flags=flags, help="Run a task that is deployed: ENVIRONMENT.TASK[:VERSION]."
            )
        return _FileGroup(name=cmd_name, path=pathlib.Path(cmd_name), flags=flags, help=f"Run a task of {cmd_name}.")


class _FileGroup(click.RichGroup):
    """The tasks of one file."""

    def __init__(self, *args: Any, path: pathlib.Path, flags: RunFlags, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path
        self._flags = flags
        self._loaded: Any = None

    def _file(self, ctx: click.Context) -> Any:
        if self._loaded is None:
            state: CliState = ctx.obj
            flags = self._flags
            root = pathlib.Path(flags.root_dir).absolute() if flags.root_dir else pathlib.Path.cwd()
            if not self._path.exists():
                raise InvalidValue(f"File {self._path} does not exist.")
            if flags.local or flags.dry_run:
                state.initialise_local(project=flags.project, domain=flags.domain, root_dir=root)
            else:
                state.initialise(
                    project=flags.project,
                    domain=flags.domain,
                    root_dir=root,
                    images=flags.image,
                    start=True,
                    sync_local_sys_paths=not flags.no_sync_local_sys_paths,
                )
            self._loaded = load_file(self._path, root)
        return self._loaded

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._file(ctx).tasks)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        task = task_named(self._file(ctx), cmd_name)
        return _task_command(cmd_name, task, task.interface, self._flags, task.__doc__)


class _DeployedGroup(click.RichGroup):
    """Deployed tasks."""

    def __init__(self, *args: Any, flags: RunFlags, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flags = flags

    def _initialise(self, ctx: click.Context) -> None:
        state: CliState = ctx.obj
        state.initialise(project=self._flags.project, domain=self._flags.domain, start=True)

    def list_commands(self, ctx: click.Context) -> list[str]:
        from flyte.remote.task import Task

        self._initialise(ctx)
        return sorted(task.name for task in Task.listall(limit=1000))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from flyte.errors import RemoteTaskNotFoundError
        from flyte.remote.task import Task

        if self._flags.local:
            raise InvalidValue("A deployed task runs on a backend: leave out --local.")
        self._initialise(ctx)
        name, _, version = cmd_name.partition(":")
        handle = Task.get(name, version=version) if version else Task.get(name, auto_version="latest")
        try:
            details = handle.fetch()
        except RemoteTaskNotFoundError:
            known = sorted(task.name for task in Task.listall(limit=1000))
            if name in known:
                raise
            raise unknown_name("deployed task", name, known) from None
        return _task_command(
            cmd_name, details, details.interface, self._flags, details.spec.documentation.short_description
        )


class _TaskCommand(click.RichCommand):
    """One task; its options are its inputs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as e:
            ours = {option for parameter in run.params for option in parameter.opts}
            wanted = normalised(e.option_name)
            if wanted in ours:
                raise click.UsageError(
                    f"{e.option_name} is an option of flyte run: write it before the file, "
                    f"flyte run {e.option_name} … {ctx.parent.info_name if ctx.parent else 'FILE'} {ctx.info_name}.",
                    ctx,
                ) from None
            known = [o for p in self.params if not getattr(p, "hidden", False) for o in p.opts if o.startswith("--")]
            raise InputError(
                str(unknown_name("input", e.option_name, known)).replace("There is no", "The task has no")
            ) from None


def _task_command(name: str, task: Any, interface: Any, flags: RunFlags, help_text: str | None) -> click.Command:
    def invoke(**given: Any) -> int:
        values = values_of(interface, given)
        context = click.get_current_context()
        state: CliState = context.obj
        return execute(task, values, flags, state)

    return _TaskCommand(
        name=name,
        params=list(input_options(interface)),
        callback=invoke,
        help=help_text or f"Run the task {name}.",
        context_settings={"token_normalize_func": normalised},
    )


def execute(task: Any, values: dict[str, Any], flags: RunFlags, state: CliState) -> int:
    """Run a task, wait as the flags say, and print the result; gives the exit code."""
    runner = Runner(flags.options())
    if flags.local and not flags.dry_run:
        return _execute_local(runner, task, values, state)
    run = runner.run(task, **values)
    if flags.dry_run:
        click.echo(str(run.task_spec))
        return 0
    print(f"Run {run.name}\n{run.url}", file=sys.stderr, flush=True)
    if flags.detach:
        if state.is_json:
            click.echo(json.dumps({"name": run.name, "url": run.url, "phase": run.phase.value}))
        return 0
    return wait_and_print(run, follow=flags.follow, state=state)


def _execute_local(runner: Runner, task: Any, values: dict[str, Any], state: CliState) -> int:
    from flyte.runtime.invocation import user_traceback

    try:
        run = runner.run(task, **values)
    except BaseRuntimeError as e:
        cause = e.__cause__
        if cause is not None:
            print(safe_text(user_traceback(cause)), file=sys.stderr, end="")
        print(f"Error: {safe_text(f'{e.code}: {e.message}')}", file=sys.stderr)
        return code_of_error(e)
    print_outputs(run.outputs(), len(task.interface.outputs), state)
    return 0


def wait_and_print(run: Any, *, follow: bool, state: CliState) -> int:
    """Wait for a run and print its result; Ctrl-C leaves it running and says how to go on."""
    try:
        if follow:
            from flyte.errors import LogsNotYetAvailableError

            try:
                run.show_logs(max_lines=1_000_000)
            except LogsNotYetAvailableError:
                pass
        run.wait(quiet=state.no_progress or not sys.stderr.isatty() or follow)
    except KeyboardInterrupt:
        print(
            f"\nThe run {run.name} goes on. Its log: flyte get logs {run.name}. To abort it: flyte abort run {run.name}",
            file=sys.stderr,
        )
        return INTERRUPTED
    code = code_of_phase(run.phase)
    if code == 0:
        details = run.details().action_details
        print_outputs(run.outputs(), len(details._native().outputs), state)
    else:
        _print_failure(run, state)
    return code


def _print_failure(run: Any, state: CliState) -> None:
    try:
        run.outputs()
    except BaseRuntimeError as e:
        if state.is_json:
            error = {"name": run.name, "phase": run.phase.value, "code": e.code, "message": e.message}
            click.echo(json.dumps(error))
        text = f"{run.name} {run.phase.value.upper()}: {e.code}: {e.message}"
        print(f"Error: {safe_text(text)}", file=sys.stderr)


def print_outputs(outputs: Any, count: int, state: CliState) -> None:
    """The result alone on stdout: the repr of one output, of the tuple of several; JSON when asked for."""
    if count == 0:
        if state.is_json:
            click.echo("{}")
        return
    if state.is_json:
        from flyte.cli.printing import jsonable

        click.echo(json.dumps({name: jsonable(value) for name, value in outputs.named_outputs.items()}))
        return
    click.echo(safe_text(repr(outputs[0] if count == 1 else tuple(outputs))))


@click.group(
    cls=_RunGroup,
    context_settings={"token_normalize_func": normalised},
    subcommand_metavar="FILE TASK [INPUTS]",
)
@click.option("--local", is_flag=True, help="Run in this process, without a backend.")
@click.option("-f", "--follow", is_flag=True, help="Show the log while the run goes on.")
@click.option("--detach", is_flag=True, help="Return after submission, without waiting.")
@click.option("--name", help="Name of the run; one is given by default.")
@click.option("-p", "--project", "--run-project", help="Project of the run.")
@click.option("-d", "--domain", "--run-domain", help="Domain of the run.")
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
@click.option("--tui", is_flag=True, help="Show the run in a terminal interface.")
@click.pass_context
def run(context: click.Context, **_flags: Any) -> None:
    """Run a task of a file, or a deployed one, and print its result.

    Options of this command come before FILE; what follows TASK are the task's inputs:
    `flyte run --name first hello.py main --n 3`
    """
    if context.params.get("tui"):
        from flyte.errors import FeatureNotAvailable

        raise FeatureNotAvailable("flyte run --tui is not available yet; see docs/compatibility.md.")
