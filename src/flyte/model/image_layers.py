"""The layers of an image, as data: what each adds, and what its identity is made of.

Only `contents` touches the file system, when an image's tag is asked for. Nothing here builds anything.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from flyte.errors import InvalidValue
from flyte.model.secret import Secret

ProjectInstallMode: TypeAlias = Literal["dependencies_only", "install_project"]
CopyStyle: TypeAlias = Literal["loaded_modules", "all"]

_NEVER_COPIED = frozenset({".git", "__pycache__", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


@dataclass(frozen=True)
class Layer:
    """One step in the making of an image."""

    def files(self) -> tuple[pathlib.Path, ...]:
        """Files and folders of the declaring machine that the layer needs."""
        return ()

    def contents(self) -> Iterator[bytes]:
        """What makes this layer differ from others: its settings, and the contents of its files.

        Paths of the declaring machine are not part of it, so that the same image has the same tag everywhere.

        Raises:
            InvalidValue: A file is missing or cannot be read.
        """
        yield type(self).__name__.encode()
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not _is_path(value):
                yield f"{field.name}={_stable(value)}".encode()
        for path in self.files():
            yield from contents_of(path)


def _is_path(value: object) -> bool:
    return isinstance(value, pathlib.Path) or (isinstance(value, tuple) and any(_is_path(part) for part in value))


def _stable(value: object) -> str:
    if isinstance(value, Secret):
        return value.stable_hash()
    if isinstance(value, tuple):
        return "(" + ",".join(_stable(part) for part in value) + ")"
    return repr(value)


def contents_of(path: pathlib.Path) -> Iterator[bytes]:
    """Name and digest of a file, or of every file below a folder in the order of their names.

    Raises:
        InvalidValue: There is no such file, or it cannot be read.
    """
    if not path.exists():
        raise InvalidValue(f"The image needs {str(path)!r}, which does not exist (looked in {pathlib.Path.cwd()}).")
    found = sorted(_below(path)) if path.is_dir() else [(path.name, path)]
    for name, file in found:
        try:
            digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        except OSError as e:
            raise InvalidValue(f"The image needs {str(file)!r}, which cannot be read: {e.strerror}.") from e
        yield f"{name}:{digest}".encode()


def _below(folder: pathlib.Path) -> Iterable[tuple[str, pathlib.Path]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NEVER_COPIED]
        for name in names:
            file = pathlib.Path(parent, name)
            if file.is_file() and file.suffix != ".pyc":
                yield file.relative_to(folder).as_posix(), file


@dataclass(frozen=True, kw_only=True)
class PipOptions(Layer):
    """How packages are found and installed.

    Args:
        index_url: In place of the package index.
        extra_index_urls: Beside it.
        pre: Pre-releases too.
        extra_args: Further options for the installer.
        secret_mounts: Secrets that the installation may read; they do not stay in the image.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    pre: bool = False
    extra_args: str | None = None
    secret_mounts: tuple[Secret, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PipPackages(PipOptions):
    """Python packages."""

    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Requirements(PipOptions):
    """The packages of a requirements file."""

    file: pathlib.Path

    def files(self) -> tuple[pathlib.Path, ...]:
        return (self.file,)


def _locked(manifest: pathlib.Path, lock: pathlib.Path, mode: ProjectInstallMode) -> tuple[pathlib.Path, ...]:
    if mode == "install_project":
        return (manifest.parent,)
    return (manifest, lock) if lock.exists() else (manifest,)


@dataclass(frozen=True, kw_only=True)
class UvProject(PipOptions):
    """A project managed by uv: its dependencies, or the project too."""

    pyproject: pathlib.Path
    lock: pathlib.Path
    project_install_mode: ProjectInstallMode = "dependencies_only"

    def files(self) -> tuple[pathlib.Path, ...]:
        return _locked(self.pyproject, self.lock, self.project_install_mode)


@dataclass(frozen=True, kw_only=True)
class PoetryProject(Layer):
    """A project managed by Poetry: its dependencies, or the project too."""

    pyproject: pathlib.Path
    lock: pathlib.Path
    extra_args: str | None = None
    secret_mounts: tuple[Secret, ...] = ()
    project_install_mode: ProjectInstallMode = "dependencies_only"

    def files(self) -> tuple[pathlib.Path, ...]:
        return _locked(self.pyproject, self.lock, self.project_install_mode)


@dataclass(frozen=True, kw_only=True)
class PixiProject(Layer):
    """A project managed by pixi, one of its environments."""

    manifest: pathlib.Path
    lock: pathlib.Path
    environment: str = "default"
    extra_args: str | None = None
    secret_mounts: tuple[Secret, ...] = ()
    project_install_mode: ProjectInstallMode = "dependencies_only"

    def files(self) -> tuple[pathlib.Path, ...]:
        return _locked(self.manifest, self.lock, self.project_install_mode)


@dataclass(frozen=True, kw_only=True)
class UvScript(PipOptions):
    """The dependencies that a script declares in its head (PEP 723)."""

    script: pathlib.Path

    def files(self) -> tuple[pathlib.Path, ...]:
        return (self.script,)


@dataclass(frozen=True, kw_only=True)
class PixiScript(Layer):
    """The dependencies that a script declares for pixi in its head."""

    script: pathlib.Path
    environment: str = "default"
    extra_args: str | None = None
    secret_mounts: tuple[Secret, ...] = ()

    def files(self) -> tuple[pathlib.Path, ...]:
        return (self.script,)


@dataclass(frozen=True, kw_only=True)
class AptPackages(Layer):
    """System packages of Debian."""

    packages: tuple[str, ...]
    secret_mounts: tuple[Secret, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Commands(Layer):
    """Shell commands, each run by itself while the image is made."""

    commands: tuple[str, ...]
    secret_mounts: tuple[Secret, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Env(Layer):
    """Environment variables, as (name, value) in the order of their names."""

    env_vars: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class SourceFolder(Layer):
    """A folder that is copied into the image."""

    src: pathlib.Path
    dst: str = "."
    copy_contents_only: bool = False

    def files(self) -> tuple[pathlib.Path, ...]:
        return (self.src,)

    def contents(self) -> Iterator[bytes]:
        if not self.copy_contents_only:
            yield self.src.name.encode()
        yield from super().contents()


@dataclass(frozen=True, kw_only=True)
class SourceFiles(Layer):
    """Files that are copied into the image."""

    src: tuple[pathlib.Path, ...]
    dst: str = "."

    def files(self) -> tuple[pathlib.Path, ...]:
        return self.src


@dataclass(frozen=True, kw_only=True)
class Code(Layer):
    """The user's own code, as a code bundle would hold it.

    Args:
        digest: The bundle's digest. Which files are in it is known when the image is built, not before.
    """

    copy_style: CopyStyle = "loaded_modules"
    dst: str = "."
    digest: str | None = None

    def contents(self) -> Iterator[bytes]:
        if self.digest is None:
            raise InvalidValue(
                "The tag of an image with_code_bundle() follows from the code, which is known only when it is built."
            )
        yield from super().contents()


@dataclass(frozen=True, kw_only=True)
class WorkDir(Layer):
    """The working directory of what follows."""

    workdir: str


@dataclass(frozen=True, kw_only=True)
class DockerIgnore(Layer):
    """Which files of source folders are not copied, in Docker's syntax."""

    path: pathlib.Path

    def files(self) -> tuple[pathlib.Path, ...]:
        return (self.path,)


@dataclass(frozen=True, kw_only=True)
class LocalSdk(Layer):
    """This SDK as it is installed here, in place of a released one.

    Args:
        plugins: Names of plugins that come from here too; None for none.
    """

    plugins: tuple[str, ...] | None = None
