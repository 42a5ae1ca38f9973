"""The `with_…` methods of an image: each gives a new image with one layer more, and checks what it is given.

Files are looked at later, when the image is built or its tag is asked for: a task process imports the declaration
without having them.
"""

from __future__ import annotations

import pathlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self, get_args

from flyte.errors import FeatureNotAvailable, InvalidType, InvalidValue
from flyte.model import requirement
from flyte.model.image_layers import (
    AptPackages,
    Code,
    Commands,
    CopyStyle,
    DockerIgnore,
    Env,
    Layer,
    LocalSdk,
    PipPackages,
    PixiProject,
    PoetryProject,
    ProjectInstallMode,
    Requirements,
    SourceFiles,
    SourceFolder,
    UvProject,
    WorkDir,
)
from flyte.model.secret import SecretRequest, as_secrets

Urls = str | list[str] | tuple[str, ...] | None


def pip_options(
    index_url: str | None, extra_index_urls: Urls, pre: bool, extra_args: str | None, secrets: SecretRequest | None
) -> dict[str, Any]:
    """The fields of `PipOptions`, checked."""
    extra = tuple(extra_index_urls) if isinstance(extra_index_urls, list | tuple) else (extra_index_urls,)
    return {
        "index_url": None if index_url is None else requirement.web_address(index_url, "index_url"),
        "extra_index_urls": tuple(requirement.web_address(url, "extra_index_urls") for url in extra if url),
        "pre": bool(pre),
        "extra_args": None if extra_args is None else requirement.installer_options(extra_args),
        "secret_mounts": as_secrets(secrets),
    }


def options_and_secrets(extra_args: str | None, secrets: SecretRequest | None) -> dict[str, Any]:
    """The fields that installers other than pip have, checked."""
    return {
        "extra_args": None if extra_args is None else requirement.installer_options(extra_args),
        "secret_mounts": as_secrets(secrets),
    }


def as_path(path: object, what: str) -> pathlib.Path:
    """A path, given as one or as text.

    Raises:
        InvalidType: It is neither.
    """
    if not isinstance(path, str | pathlib.Path) or not str(path):
        raise InvalidType(f"{what} must be a path, not {path!r}.")
    return pathlib.Path(requirement.one_line(str(path), what))


def _chosen(value: str, choices: Any, what: str) -> Any:
    if value not in get_args(choices):
        raise InvalidValue(f"{what}={value!r} must be one of {', '.join(map(repr, get_args(choices)))}.")
    return value


class Layering(ABC):
    """What an image can be given beside its base."""

    @abstractmethod
    def _with_layer(self, layer: Layer) -> Self:
        """A copy with one layer more."""

    def with_pip_packages(
        self,
        *packages: str,
        index_url: str | None = None,
        extra_index_urls: Urls = None,
        pre: bool = False,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> Self:
        """Add Python packages.

        Args:
            packages: Requirements as pip reads them, one per argument.
            index_url: In place of the package index.
            extra_index_urls: Beside it.
            pre: Accept pre-releases.
            extra_args: Further options for the installer.
            secret_mounts: Secrets that only the installation can read.

        Raises:
            InvalidValue: A text is not a requirement, an address or an option.

        Example:
            >>> image = flyte.Image.from_debian_base().with_pip_packages("pandas>=2", "httpx")
        """
        if not packages:
            return self
        options = pip_options(index_url, extra_index_urls, pre, extra_args, secret_mounts)
        names = tuple(requirement.python_package(package) for package in packages)
        return self._with_layer(PipPackages(packages=names, **options))

    def with_requirements(
        self,
        file: str | pathlib.Path,
        index_url: str | None = None,
        extra_index_urls: Urls = None,
        pre: bool = False,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> Self:
        """Add the packages of a requirements file; the options are those of `with_pip_packages`."""
        options = pip_options(index_url, extra_index_urls, pre, extra_args, secret_mounts)
        return self._with_layer(Requirements(file=as_path(file, "file"), **options))

    def with_uv_project(
        self,
        pyproject_file: str | pathlib.Path,
        uvlock: pathlib.Path | None = None,
        index_url: str | None = None,
        extra_index_urls: Urls = None,
        pre: bool = False,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
        project_install_mode: ProjectInstallMode = "dependencies_only",
    ) -> Self:
        """Add the dependencies of a uv project, or the project itself too.

        Args:
            pyproject_file: The project's `pyproject.toml`.
            uvlock: Its lock file; `uv.lock` beside it by default.
            project_install_mode: `dependencies_only` or `install_project`.
        """
        project = as_path(pyproject_file, "pyproject_file")
        lock = as_path(uvlock, "uvlock") if uvlock is not None else project.parent / "uv.lock"
        mode = _chosen(project_install_mode, ProjectInstallMode, "project_install_mode")
        options = pip_options(index_url, extra_index_urls, pre, extra_args, secret_mounts)
        return self._with_layer(UvProject(pyproject=project, lock=lock, project_install_mode=mode, **options))

    def with_poetry_project(
        self,
        pyproject_file: str | pathlib.Path,
        poetry_lock: pathlib.Path | None = None,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
        project_install_mode: ProjectInstallMode = "dependencies_only",
    ) -> Self:
        """Add the dependencies of a Poetry project, or the project itself too."""
        project = as_path(pyproject_file, "pyproject_file")
        lock = as_path(poetry_lock, "poetry_lock") if poetry_lock is not None else project.parent / "poetry.lock"
        mode = _chosen(project_install_mode, ProjectInstallMode, "project_install_mode")
        options = options_and_secrets(extra_args, secret_mounts)
        return self._with_layer(PoetryProject(pyproject=project, lock=lock, project_install_mode=mode, **options))

    def with_pixi_project(
        self,
        manifest_file: str | pathlib.Path,
        pixi_lock: pathlib.Path | None = None,
        environment: str = "default",
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
        project_install_mode: ProjectInstallMode = "dependencies_only",
    ) -> Self:
        """Add an environment of a pixi project, or the project itself too."""
        manifest = as_path(manifest_file, "manifest_file")
        lock = as_path(pixi_lock, "pixi_lock") if pixi_lock is not None else manifest.parent / "pixi.lock"
        return self._with_layer(
            PixiProject(
                manifest=manifest,
                lock=lock,
                environment=requirement.image_name(environment),
                project_install_mode=_chosen(project_install_mode, ProjectInstallMode, "project_install_mode"),
                **options_and_secrets(extra_args, secret_mounts),
            )
        )

    def with_apt_packages(self, *packages: str, secret_mounts: SecretRequest | None = None) -> Self:
        """Add system packages of Debian.

        Raises:
            InvalidValue: A text is not the name of a package.
        """
        if not packages:
            return self
        names = tuple(requirement.system_package(package) for package in packages)
        return self._with_layer(AptPackages(packages=names, secret_mounts=as_secrets(secret_mounts)))

    def with_commands(self, commands: Sequence[str], secret_mounts: SecretRequest | None = None) -> Self:
        """Run shell commands while the image is made, each by itself.

        Raises:
            InvalidType: One bare text, or an element that is not text.
            InvalidValue: An element has several lines.
        """
        if isinstance(commands, str):
            raise InvalidType(f"with_commands takes a list of commands: with_commands([{commands!r}]).")
        lines = tuple(requirement.one_line(command, "A command of with_commands") for command in commands)
        return self._with_layer(Commands(commands=lines, secret_mounts=as_secrets(secret_mounts)))

    def with_env_vars(self, env_vars: Mapping[str, str]) -> Self:
        """Set environment variables in the image.

        Raises:
            InvalidName: A name is not a variable's.
            InvalidType: A value is not text.
        """
        if not isinstance(env_vars, Mapping):
            raise InvalidType(f"with_env_vars takes a dict of str to str, not {env_vars!r}.")
        pairs = [
            (requirement.variable_name(name), requirement.one_line(value, f"The environment variable {name}"))
            for name, value in env_vars.items()
        ]
        return self._with_layer(Env(env_vars=tuple(sorted(pairs))))

    def with_source_folder(self, src: pathlib.Path, dst: str = ".", copy_contents_only: bool = False) -> Self:
        """Copy a folder into the image, or only what is in it."""
        folder = as_path(src, "src")
        target = requirement.one_line(dst, "dst")
        return self._with_layer(SourceFolder(src=folder, dst=target, copy_contents_only=bool(copy_contents_only)))

    def with_source_file(self, src: pathlib.Path | list[pathlib.Path], dst: str = ".") -> Self:
        """Copy files into the image.

        Raises:
            InvalidValue: Two files of one name would overwrite each other.
        """
        files = tuple(as_path(file, "src") for file in (src if isinstance(src, list | tuple) else [src]))
        names = [file.name for file in files]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidValue(f"with_source_file: several files are called {', '.join(twice)} and go to {dst!r}.")
        return self._with_layer(SourceFiles(src=files, dst=requirement.one_line(dst, "dst")))

    def with_code_bundle(self, copy_style: CopyStyle = "loaded_modules", dst: str = ".") -> Self:
        """Copy the user's own code into the image, in place of a code bundle that is fetched at the start."""
        style = _chosen(copy_style, CopyStyle, "copy_style")
        return self._with_layer(Code(copy_style=style, dst=requirement.one_line(dst, "dst")))

    def with_workdir(self, workdir: str) -> Self:
        """Change the working directory of what follows, and of the tasks."""
        return self._with_layer(WorkDir(workdir=requirement.one_line(workdir, "workdir")))

    def with_dockerignore(self, path: pathlib.Path) -> Self:
        """Leave out files when folders are copied, by an ignore file in Docker's syntax."""
        return self._with_layer(DockerIgnore(path=as_path(path, "path")))

    def with_local_v2(self) -> Self:
        """Install this SDK as it is here, in place of a released one."""
        return self._with_layer(LocalSdk())

    def with_local_v2_plugins(self, plugins: str | list[str] | None = None) -> Self:
        """Install this SDK and plugins as they are here; all plugins by default."""
        names = [plugins] if isinstance(plugins, str) else list(plugins or [])
        return self._with_layer(LocalSdk(plugins=tuple(requirement.python_package(name) for name in names)))

    def with_local_rs_controller(self) -> Self:
        """Of the official SDK only: this one has no controller in Rust.

        Raises:
            FeatureNotAvailable: Always.
        """
        raise FeatureNotAvailable("This SDK has no controller in Rust, so an image cannot be given one.")
