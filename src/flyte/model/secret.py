"""A request for a secret. Values are never held here, only names."""

from __future__ import annotations

import hashlib
import pathlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flyte.errors import InvalidType, InvalidValue

MOUNT_ROOT = pathlib.PurePosixPath("/etc/flyte/secrets")
"""The only folder that secrets are mounted below."""

_ENV_VAR = re.compile(r"^[A-Z_][A-Z0-9_]*$")
_KEY = re.compile(r"^[-a-zA-Z0-9_]+$")


def _is_variable(name: object) -> bool:
    return isinstance(name, str) and _ENV_VAR.fullmatch(name) is not None


def _is_mount_root(mount: object) -> bool:
    return isinstance(mount, str | pathlib.PurePath) and pathlib.PurePosixPath(mount) == MOUNT_ROOT


@dataclass
class Secret:
    """Ask for a secret in a task's environment.

    Args:
        key: The secret's name.
        group: A further level of naming.
        mount: `/etc/flyte/secrets` to have it as a file below that folder; no other path is possible.
        as_env_var: The variable it appears in; by default `KEY` or `GROUP_KEY`, upper-cased, '-' as '_'.

    Raises:
        InvalidValue: The key, the mount or the variable's name is not possible.
    """

    key: str
    group: str | None = None
    mount: pathlib.Path | None = None
    as_env_var: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not _KEY.fullmatch(self.key):
            raise InvalidValue(f"Secret key {self.key!r} must be letters, digits, '-' and '_'.")
        if self.group is not None and (not isinstance(self.group, str) or not _KEY.fullmatch(self.group)):
            raise InvalidValue(f"Secret group {self.group!r} must be letters, digits, '-' and '_'.")
        if self.mount is not None and not _is_mount_root(self.mount):
            raise InvalidValue(
                f"Secret {self.key!r}: only mount={str(MOUNT_ROOT)!r} is possible, not {str(self.mount)!r}."
            )
        if self.as_env_var is not None and not _is_variable(self.as_env_var):
            raise InvalidValue(
                f"Secret {self.key!r}: as_env_var={self.as_env_var!r} must be upper-case letters, digits and '_'."
            )
        if self.mount is None and not _is_variable(self.env_var):
            raise InvalidValue(
                f"Secret {self.key!r} would appear in the variable {self.env_var!r}, which is no name of one: "
                "give as_env_var."
            )

    @property
    def env_var(self) -> str:
        """The variable that holds the value."""
        if self.as_env_var:
            return self.as_env_var
        name = f"{self.group}_{self.key}" if self.group else self.key
        return name.upper().replace("-", "_")

    def stable_hash(self) -> str:
        """A digest of the request (not of any value), the same on every machine."""
        text = repr((self.key, self.group, self.mount and str(self.mount), self.as_env_var))
        return hashlib.sha256(text.encode()).hexdigest()


SecretRequest: TypeAlias = str | Secret | list[str | Secret]


def as_secrets(request: SecretRequest | None) -> tuple[Secret, ...]:
    """Any form of request as a tuple of `Secret`.

    Raises:
        InvalidType: An element is neither a name nor a Secret.
    """
    if request is None:
        return ()
    items: Sequence[str | Secret] = request if isinstance(request, list | tuple) else [request]
    secrets = []
    for item in items:
        if isinstance(item, str):
            secrets.append(Secret(key=item))
        elif isinstance(item, Secret):
            secrets.append(item)
        else:
            raise InvalidType(f"secrets must be names or flyte.Secret objects, not {item!r}.")
    return tuple(secrets)
