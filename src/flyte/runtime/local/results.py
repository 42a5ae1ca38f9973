"""The port to results that local runs keep for later ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flyte.authoring.task import TaskTemplate


class ResultCache(Protocol):
    """Results by task, cache version and inputs. A result that cannot be read counts as none, with a warning."""

    def get(self, task: TaskTemplate[..., Any], inputs: Mapping[str, Any]) -> tuple[bool, Any]:
        """Whether there is a result, and the result."""
        ...

    def put(self, task: TaskTemplate[..., Any], inputs: Mapping[str, Any], value: Any) -> None:
        """Keep a result of a task with a cache."""
        ...
