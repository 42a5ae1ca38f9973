"""Command groups that load what is asked for, and accept dashes and underscores alike."""

from __future__ import annotations

import importlib
from typing import Any

import rich_click as click


def normalised(name: str) -> str:
    """`--copy_style` and `--copy-style` are one option; commands too."""
    if name.startswith("--"):
        return "--" + name[2:].replace("_", "-")
    return name


class LazyGroup(click.RichGroup):
    """A group whose commands are imported when they are used, so that `--help` stays quick.

    Args:
        commands_table: Name → `module:attribute`.
    """

    def __init__(self, *args: Any, commands_table: dict[str, str] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {})
        kwargs["context_settings"].setdefault("token_normalize_func", normalised)
        super().__init__(*args, **kwargs)
        self._table = commands_table or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._table})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = self._table.get(cmd_name)
        if target is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command
