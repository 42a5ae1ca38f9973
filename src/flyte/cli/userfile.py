"""`flyte VERB FILE NAME`: the file is a subcommand, and what is in it are subcommands of it.

Nothing of a user's file is executed before the file itself is named, and `--help` of the verb alone runs none of it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any, Protocol

import rich_click as click

from flyte.cli import connect
from flyte.cli.groups import normalised
from flyte.cli.printing import user_output_apart
from flyte.cli.state import CliState
from flyte.launch.discover import LoadedFile, load_file


def root_of(root_dir: str | None) -> pathlib.Path:
    """The folder that modules and the bundle are relative to."""
    return pathlib.Path(root_dir).expanduser().absolute() if root_dir else pathlib.Path.cwd()


class FileFlags(Protocol):
    """The options of a verb that say how a user's file is executed."""

    @property
    def project(self) -> str | None: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def root_dir(self) -> str | None: ...
    @property
    def image(self) -> tuple[str, ...]: ...
    @property
    def no_sync_local_sys_paths(self) -> bool: ...


def load(path: pathlib.Path, state: CliState, flags: FileFlags) -> LoadedFile:
    """Execute a user's file, with the configuration known and no backend needed.

    Raises:
        InvalidValue: There is no such file, or it lies outside the root.
        ModuleLoadError: It cannot be executed; the sentence says which file and line.
    """
    root = root_of(flags.root_dir)
    connect.prepare(state, project=flags.project, domain=flags.domain, root_dir=root, images=flags.image)
    with user_output_apart(state):
        return load_file(path, root)


def connect_to_run(state: CliState, flags: FileFlags) -> None:
    """Connect to the backend that the file's tasks are to go to; this machine's own is started if need be."""
    connect.connect(
        state,
        project=flags.project,
        domain=flags.domain,
        root_dir=root_of(flags.root_dir),
        images=flags.image,
        start=True,
        sync_local_sys_paths=not flags.no_sync_local_sys_paths,
    )


def options_of(command: click.Command) -> set[str]:
    """The spellings of a command's options."""
    return {spelling for parameter in command.params for spelling in parameter.opts + parameter.secondary_opts}


def misplaced(error: click.NoSuchOption, context: click.Context, after: str) -> click.UsageError | None:
    """The error for an option of the verb, or of `flyte` itself, that stands after FILE or after the task's name.

    Args:
        after: What the option stands behind.

    Returns:
        None for an option that neither has.
    """
    wanted = normalised(error.option_name)
    outer = context.parent
    while outer is not None:
        if wanted in options_of(outer.command) and outer.command.name is not None:
            return click.UsageError(
                f"{error.option_name} is an option of `{outer.command_path}`, and stands behind {after} here: "
                f"write it before, `{outer.command_path} {error.option_name} …`.",
                context,
            )
        outer = outer.parent
    return None


class NamesInFile(click.RichGroup):
    """What a file, or a backend, offers under names: the subcommands of `flyte run FILE` and `flyte deploy FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return self.with_hint(super().parse_args, ctx, args)

    @staticmethod
    def with_hint(
        parse: Callable[[click.Context, list[str]], list[str]], ctx: click.Context, args: list[str]
    ) -> list[str]:
        """Parse, and answer an option in the wrong place with the right one.

        Raises:
            click.UsageError: There is no such option, here at least.
        """
        try:
            return parse(ctx, args)
        except click.NoSuchOption as e:
            raise misplaced(e, ctx, ctx.info_name or "FILE") or e from None


class FileGroup(NamesInFile):
    """What one file offers. The file is executed once, when the first of it is asked for.

    Args:
        path: The file.
        flags: The options of the verb, from the context.
    """

    def __init__(
        self, *args: Any, path: pathlib.Path, flags: Callable[[click.Context], FileFlags], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._path = path
        self._flags = flags
        self._loaded: LoadedFile | None = None

    def _file(self, ctx: click.Context) -> LoadedFile:
        if self._loaded is None:
            self._loaded = load(self._path, state_of(ctx), self._flags(ctx))
        return self._loaded


def file_path(name: str) -> pathlib.Path:
    """A FILE argument as a path."""
    return pathlib.Path(name).expanduser()


def listed(command: str, summary: str) -> click.Command:
    """A line in a list of subcommands."""
    return click.RichCommand(name=command, help=summary)


def state_of(context: click.Context) -> CliState:
    """The global options."""
    state = context.obj
    assert isinstance(state, CliState)
    return state
