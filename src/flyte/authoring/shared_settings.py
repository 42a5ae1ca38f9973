"""What task and app environments have in common: a name, dependencies, and the settings of what runs in them."""

from __future__ import annotations

import pathlib
import re
import sys
import weakref
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from flyte.authoring.checks import check_settings
from flyte.errors import InvalidName, InvalidType, InvalidValue
from flyte.model.documentation import shortened
from flyte.model.image import Image
from flyte.model.pod import PodTemplate
from flyte.model.resources import Resources
from flyte.model.secret import SecretRequest

_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
_LONGEST_DESCRIPTION = 255
_PACKAGE = str(pathlib.Path(__file__).parent.parent)

_loaded: list[weakref.ReferenceType[Environment]] = []


def loaded_environments() -> list[Environment]:
    """Every living environment of this process, in the order in which they were made."""
    return [env for env in (ref() for ref in _loaded) if env is not None]


def _declaring_file() -> pathlib.Path | None:
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and not name.startswith("<"):
            return pathlib.Path(name)
        frame = frame.f_back  # type: ignore[assignment]
    return None


@dataclass(eq=False)
class Environment:
    """What task and app environments have in common.

    Args:
        name: Lower-case words of letters and digits, joined by single '_' or '-'.
        depends_on: Environments whose tasks this one's tasks call; they are deployed with it.
        pod_template: A name, or a template, for pods.
        description: Shown beside the name; shortened to 255 characters.
        secrets: Names or `Secret` objects.
        env_vars: Set while a task runs.
        resources: What each task may use.
        interruptible: True when tasks may run on machines that can be taken away.
        image: `"auto"`, an address, or an `Image`.
        include: Further files for the code bundle, relative to the declaring file.
        service_account: The Kubernetes service account.

    Raises:
        InvalidName: The name breaks the rule.
        InvalidType: A setting has the wrong type.
    """

    name: str
    depends_on: list[Environment] = field(default_factory=list)
    pod_template: str | PodTemplate | None = None
    description: str | None = None
    secrets: SecretRequest | None = None
    env_vars: dict[str, str] | None = None
    resources: Resources | None = None
    interruptible: bool = False
    image: str | Image | Literal["auto"] | None = "auto"
    include: tuple[str, ...] = ()
    service_account: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidName(
                f"Environment name {self.name!r} must be in snake_case or kebab-case format: lower-case letters and "
                "digits, joined by single '_' or '-'."
            )
        check_settings(self._owner, {f.name: getattr(self, f.name) for f in fields(self)})
        if not isinstance(self.depends_on, list | tuple):
            raise InvalidType(f"{self._owner}: depends_on must be a list of environments, not {self.depends_on!r}.")
        for dependency in self.depends_on:
            self._check_dependency(dependency)
        if isinstance(self.include, str):
            raise InvalidType(f"{self._owner}: include must be several paths: include=({self.include!r},).")
        self.depends_on = list(self.depends_on)
        self.include = tuple(self.include)
        if self.description is not None:
            self.description = shortened(self.description, _LONGEST_DESCRIPTION)
        self.declared_in = _declaring_file()
        _loaded.append(weakref.ref(self, _loaded.remove))

    @property
    def _owner(self) -> str:
        return f"Environment {self.name!r}"

    def _check_dependency(self, dependency: object) -> None:
        if not isinstance(dependency, Environment):
            raise InvalidType(f"{self._owner} cannot depend on {dependency!r}, which is not an environment.")
        if dependency is self:
            raise InvalidValue(f"{self._owner} cannot depend on itself.")

    def add_dependency(self, *env: Environment) -> None:
        """Declare that tasks of this environment call tasks of others. A second time changes nothing.

        Raises:
            InvalidType: Not an environment.
            InvalidValue: The environment itself.
        """
        for dependency in env:
            self._check_dependency(dependency)
            if dependency not in self.depends_on:
                self.depends_on.append(dependency)

    def clone_with(
        self,
        name: str,
        image: str | Image | Literal["auto"] | None = None,
        resources: Resources | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        depends_on: list[Environment] | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new environment with the same settings under another name; None keeps. Tasks are not copied.

        Raises:
            InvalidType: An unknown setting.
        """
        known = {f.name for f in fields(self) if f.init}
        unknown = sorted(set(kwargs) - known)
        if unknown:
            raise InvalidType(
                f"Unexpected keyword arguments: {unknown}. {type(self).__name__} has: {', '.join(sorted(known))}."
            )
        changes = {
            "image": image,
            "resources": resources,
            "env_vars": env_vars,
            "secrets": secrets,
            "depends_on": depends_on,
            "description": description,
            **kwargs,
        }
        settings = {setting: getattr(self, setting) for setting in known}
        settings.update({setting: value for setting, value in changes.items() if value is not None})
        return type(self)(**{**settings, "name": name})
