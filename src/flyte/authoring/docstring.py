"""What a function's docstring says of it and of its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any


class Docstring:
    """A docstring, parsed when it is first asked for (by `docstring_parser`, in any of its styles).

    Args:
        docstring: The text; or
        callable_: the function to take it from.
    """

    def __init__(self, docstring: str | None = None, callable_: Callable[..., Any] | None = None) -> None:
        self._text = inspect.getdoc(callable_) if callable_ is not None else docstring

    @cached_property
    def _parsed(self) -> Any:
        import docstring_parser

        return docstring_parser.parse(self._text or "")

    @property
    def input_descriptions(self) -> dict[str, str | None]:
        """Input → description."""
        if not self._text:
            return {}
        return {parameter.arg_name: parameter.description for parameter in self._parsed.params}

    @property
    def output_descriptions(self) -> dict[str, str | None]:
        """Output → description, by the names that the docstring gives them, else `o0`, `o1`, …"""
        if not self._text:
            return {}
        returns = self._parsed.many_returns
        return {entry.return_name or f"o{i}": entry.description for i, entry in enumerate(returns)}

    @property
    def short_description(self) -> str | None:
        """The first paragraph."""
        return self._parsed.short_description if self._text else None

    @property
    def long_description(self) -> str | None:
        """What follows the first paragraph, without the sections on inputs and outputs."""
        return self._parsed.long_description if self._text else None
