"""Which files belong into a code bundle."""

from __future__ import annotations

import pathlib
import site
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass

from flyte.errors import CodeBundleError, InvalidValue

_PACKAGE = pathlib.Path(__file__).resolve().parent.parent


@dataclass(frozen=True, order=True)
class BundledFile:
    """One file of a bundle.

    Args:
        path: Relative to the root, with slashes.
        source: Where it lies.
    """

    path: str
    source: pathlib.Path


def _installed_roots() -> list[pathlib.Path]:
    roots = {sys.prefix, sys.base_prefix, *site.getsitepackages(), site.getusersitepackages()}
    roots |= {path for name, path in sysconfig.get_paths().items() if name != "data"}
    return [pathlib.Path(root).resolve() for root in roots if root]


def loaded_module_files(root: pathlib.Path) -> list[BundledFile]:
    """The source files of every module that is loaded from below the root.

    Modules of the interpreter, of installed packages and of flyte itself are not among them.
    """
    root = root.resolve()
    installed = [r for r in _installed_roots() if not root.is_relative_to(r)]
    found: dict[str, BundledFile] = {}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not isinstance(name, str) or not name.endswith(".py"):
            continue
        file = pathlib.Path(name).resolve()
        if not file.is_relative_to(root) or file.is_relative_to(_PACKAGE) or not file.is_file():
            continue
        if any(file.is_relative_to(place) for place in installed):
            continue
        relative = file.relative_to(root).as_posix()
        found[relative] = BundledFile(relative, file)
    return sorted(found.values())


def included_files(root: pathlib.Path, anchor: pathlib.Path | None, patterns: Iterable[str]) -> list[BundledFile]:
    """Files that an environment asks for by `include`: paths, folders and globs, relative to the declaring file.

    Raises:
        InvalidValue: Something lies outside the root.
        CodeBundleError: A pattern matches nothing.
    """
    root = root.resolve()
    base = anchor.resolve().parent if anchor is not None else root
    found: dict[str, BundledFile] = {}
    for pattern in patterns:
        path = pathlib.Path(pattern)
        start = path if path.is_absolute() else base / path
        matches = [start] if start.exists() else sorted(base.glob(pattern)) if not path.is_absolute() else []
        if not matches:
            raise CodeBundleError(f"include={pattern!r} matches nothing below {base}.")
        for match in matches:
            files = sorted(match.rglob("*")) if match.is_dir() else [match]
            for file in files:
                if file.is_dir() or "__pycache__" in file.parts:
                    continue
                if not file.resolve().is_relative_to(root):
                    raise InvalidValue(
                        f"include={pattern!r} reaches {file}, which lies outside the root folder {root}."
                    )
                relative = file.resolve().relative_to(root).as_posix()
                found[relative] = BundledFile(relative, file.resolve())
    return sorted(found.values())
