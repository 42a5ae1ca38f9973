"""Command groups that load what is asked for, and accept dashes and underscores alike."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import rich_click as click

PAGE = "docs/compatibility.md"
"""The page that lists what this version has."""


def normalised(name: str) -> str:
    """`--copy_style` and `--copy-style` are one option, `loaded-modules` and `loaded_modules` one choice."""
    return name.replace("_", "-")


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name, empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""


def not_available(what: str) -> str:
    """The sentence about a part of the Flyte command line that this version does not have."""
    return f"`{what}` is not available in this version; {PAGE} lists what is."


@dataclass(frozen=True)
class Entry:
    """A command that is loaded when it is used.

    Args:
        target: `module:attribute`.
        summary: Its line in the list of commands, so that the list loads nothing.
    """

    target: str
    summary: str

    def load(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class LazyGroup(click.RichGroup):
    """A group whose commands are imported when they are used, so that `--help` stays quick.

    Args:
        entries: Name → command.
        later: Names of the Flyte command line that this version does not have: asking for one gets a sentence.
    """

    def __init__(
        self,
        *args: Any,
        entries: Mapping[str, Entry] | None = None,
        later: frozenset[str] = frozenset(),
        **kwargs: Any,
    ) -> None:
        settings = {"token_normalize_func": normalised, **(kwargs.pop("context_settings", None) or {})}
        super().__init__(*args, **{**kwargs, "context_settings": settings})
        self._entries = dict(entries or {})
        self._later = later
        self._is_listing = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._entries})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        return click.RichCommand(name=cmd_name, help=entry.summary) if self._is_listing else entry.load()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._listing():
            super().format_help(ctx, formatter)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._is_listing = True
        try:
            yield
        finally:
            self._is_listing = False

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self._later:
            raise click.UsageError(not_available(f"{ctx.command_path} {args[0]}"), ctx)
        if self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            raise click.UsageError(
                f"There is no command {args[0]!r}.{nearest(args[0], known)} There are: {', '.join(known)}.",
                ctx,
            )
        return super().resolve_command(ctx, args)
