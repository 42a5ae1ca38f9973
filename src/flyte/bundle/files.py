"""Which files belong into a code bundle."""

from __future__ import annotations

import os
import pathlib
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flyte.errors import CodeBundleError, InvalidType, InvalidValue

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


def _written(path: pathlib.Path) -> pathlib.Path:
    """The absolute path with its links as they are."""
    return pathlib.Path(os.path.normpath(path.absolute()))


def _path_in(root: pathlib.Path, file: pathlib.Path) -> str | None:
    """Where a file is found below the root by those who use it there: a link is found at its own place.

    None for a file that is not below the root.
    """
    for path in (_written(file), file.resolve()):
        for folder in (_written(root), root.resolve()):
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix()
    return None


def loaded_module_files(root: pathlib.Path) -> list[BundledFile]:
    """The source files of every module that is loaded from below the root.

    Modules of the interpreter, of installed packages and of flyte itself are not among them.
    """
    installed = [place for place in _installed_roots() if not root.resolve().is_relative_to(place)]
    found: dict[str, BundledFile] = {}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not isinstance(name, str) or not name.endswith(".py"):
            continue
        path = _path_in(root, pathlib.Path(name))
        file = pathlib.Path(name).resolve()
        if path is None or file.is_relative_to(_PACKAGE) or not file.is_file():
            continue
        if any(file.is_relative_to(place) or (root.resolve() / path).is_relative_to(place) for place in installed):
            continue
        found[path] = BundledFile(path, file)
    return sorted(found.values())


def included_files(root: pathlib.Path, anchor: pathlib.Path | None, patterns: Iterable[str]) -> list[BundledFile]:
    """Files that an environment asks for by `include`: paths, folders and globs, relative to the declaring file.

    Links are followed; what is neither a file nor a folder (a socket, say) is left out.

    Raises:
        InvalidType: A pattern is not text.
        InvalidValue: Something lies outside the root.
        CodeBundleError: A pattern matches nothing.
    """
    base = anchor.resolve().parent if anchor is not None else root.resolve()
    found: dict[str, BundledFile] = {}
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise InvalidType(f"include must be paths or globs as text, not {pattern!r}.")
        path = pathlib.Path(pattern)
        start = path if path.is_absolute() else base / path
        matches = [start] if start.exists() else sorted(base.glob(pattern)) if not path.is_absolute() else []
        if not matches:
            raise CodeBundleError(f"include={pattern!r} matches nothing below {base}.")
        for match in matches:
            for file in sorted(_files_below(match)) if match.is_dir() else [match]:
                place = _path_in(root, file)
                if place is None or not file.resolve().is_relative_to(root.resolve()):
                    raise InvalidValue(
                        f"include={pattern!r} reaches {file}, which lies outside the root folder {root.resolve()}."
                    )
                found[place] = BundledFile(place, file.resolve())
    return sorted(found.values())


def _files_below(folder: pathlib.Path, above: frozenset[pathlib.Path] = frozenset()) -> Iterator[pathlib.Path]:
    """Files of a folder at any depth. A link to one of the folders that lead to it is left out."""
    place = folder.resolve()
    if place in above:
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _files_below(entry, above | {place})
        elif entry.is_file() or not entry.exists():  # a broken link is told of when it is read
            yield entry
