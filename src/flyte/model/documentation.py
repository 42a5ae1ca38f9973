"""What tasks and environments say about themselves, and links beside their runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

_CUT = "...(tr.)"
"""Ends a description that was cut; the official spelling."""


def shortened(text: str, longest: int) -> str:
    """A description within its bound; one that was cut says so at its end."""
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT


@dataclass
class Documentation:
    """Explicit documentation of a task, in place of its docstring's summary.

    Args:
        description: Shown by the CLI and the console; at most 255 characters reach the backend.
    """

    description: str


@runtime_checkable
class Link(Protocol):
    """A link shown beside an action. Implement `get_link`; placeholders like `{{.actionName}}` are filled in.

    Attributes:
        name: The text of the link.
        icon_uri: A picture beside it, or an empty string.
    """

    name: str
    icon_uri: str

    def get_link(
        self,
        run_name: str,
        project: str,
        domain: str,
        context: dict[str, str],
        parent_action_name: str,
        action_name: str,
        pod_name: str,
        **kwargs: Any,
    ) -> str:
        """The address of the link."""
        ...
