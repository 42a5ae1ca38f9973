"""Identifiers, one type each, parsed once at the edge.

The limits are those of the protocol (wire_protocol §2.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from flyte.errors import InvalidName

RunName = NewType("RunName", str)
ActionName = NewType("ActionName", str)

ROOT_ACTION = ActionName("a0")
"""The name of every run's root action."""

_SCOPE_NAME = re.compile(r"^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$")
_RUN_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
_ACTION_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
_TASK_NAME = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_.<>\-]*)$")


def _check(kind: str, name: str, pattern: re.Pattern[str], longest: int, rule: str) -> None:
    if not name:
        raise InvalidName(f"The {kind} is empty. It needs 1 to {longest} characters: {rule}.")
    if len(name) > longest:
        raise InvalidName(f"The {kind} {name[:40]!r}… has {len(name)} characters; {longest} are allowed.")
    if not pattern.fullmatch(name):
        raise InvalidName(f"The {kind} {name!r} is not a valid name. Use {rule}.")


@dataclass(frozen=True, slots=True)
class Scope:
    """A project and a domain: the space that names live in. `org` is opaque."""

    project: str
    domain: str
    org: str = ""

    def __post_init__(self) -> None:
        letters = "letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        _check("project", self.project, _SCOPE_NAME, 63, letters)
        _check("domain", self.domain, _SCOPE_NAME, 63, letters)


@dataclass(frozen=True, slots=True)
class RunId:
    """One run: unique within its project and domain."""

    scope: Scope
    name: str

    def __post_init__(self) -> None:
        _check("run name", self.name, _RUN_NAME, 30, "lower-case letters, digits and '-'")


@dataclass(frozen=True, slots=True)
class ActionRef:
    """One action of a run; the root is `a0`."""

    run: RunId
    name: str

    def __post_init__(self) -> None:
        _check("action name", self.name, _ACTION_NAME, 30, "letters, digits, '-', '_' and '.'")


@dataclass(frozen=True, slots=True)
class TaskRef:
    """One version of a deployed task. `name` is `environment.function`."""

    scope: Scope
    name: str
    version: str

    def __post_init__(self) -> None:
        _check("task name", self.name, _TASK_NAME, 255, "letters, digits, '-', '_' and '.'")
        if not self.version or len(self.version) > 63 or not self.version.isprintable():
            raise InvalidName(
                f"The version {self.version[:70]!r} of task {self.name} must have 1 to 63 printable characters."
            )
