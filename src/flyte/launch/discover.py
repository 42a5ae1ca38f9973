"""Loading a user's file, and the tasks and environments in it."""

from __future__ import annotations

import difflib
import importlib.util
import pathlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from flyte.authoring.environment import Environment
from flyte.authoring.task import TaskTemplate
from flyte.errors import InvalidValue, ModuleLoadError, UnknownName


@dataclass(frozen=True)
class LoadedFile:
    """A file that was executed.

    Args:
        tasks: Variable → task.
        environments: Variable → environment.
    """

    path: pathlib.Path
    module: ModuleType
    tasks: dict[str, TaskTemplate[..., object]]
    environments: dict[str, Environment]


def load_file(path: pathlib.Path, root: pathlib.Path) -> LoadedFile:
    """Execute a file as the module that its place below the root says.

    Raises:
        InvalidValue: There is no such file, or it lies outside the root.
        ModuleLoadError: It cannot be executed; the sentence says which file and line.
    """
    if not path.exists():
        raise InvalidValue(f"File {path} does not exist.")
    if path.is_dir() or path.suffix != ".py":
        raise InvalidValue(f"{path} is not a Python file.")
    resolved, root = path.resolve(), root.resolve()
    try:
        relative = resolved.relative_to(root)
    except ValueError:
        raise InvalidValue(
            f"File {path} lies outside the root folder {root}. Change to the folder of your code, or give --root-dir."
        ) from None
    module = _execute(resolved, _module_name(relative))
    return LoadedFile(
        path=resolved,
        module=module,
        tasks={name: value for name, value in vars(module).items() if isinstance(value, TaskTemplate)},
        environments={name: value for name, value in vars(module).items() if isinstance(value, Environment)},
    )


def _module_name(relative: pathlib.Path) -> str:
    parts = list(relative.with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if parts[0] == "src" and len(parts) > 1:
        parts.pop(0)
    return ".".join(parts)


def _execute(path: pathlib.Path, name: str) -> ModuleType:
    for folder in (str(path.parent), str(pathlib.Path.cwd())):
        if folder not in sys.path:
            sys.path.append(folder)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidValue(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as e:
        sys.modules.pop(name, None)
        if isinstance(e, KeyboardInterrupt):
            raise
        raise _load_error(path, e) from e
    return module


def _load_error(path: pathlib.Path, error: BaseException) -> ModuleLoadError:
    if isinstance(error, SyntaxError):
        where = f"{error.filename or path}, line {error.lineno}"
        line = (error.text or "").rstrip()
        return ModuleLoadError(f"Syntax error in {where}: {error.msg}" + (f"\n    {line.strip()}" if line else ""))
    where = f"{path}"
    tb = error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == str(path):
            where = f"{path}, line {tb.tb_lineno}"
        tb = tb.tb_next
    if isinstance(error, ModuleNotFoundError):
        return ModuleLoadError(
            f"{where}: there is no module {error.name!r} in {sys.executable}. Install it there, or check its name."
        )
    if isinstance(error, SystemExit):
        return ModuleLoadError(f"{where}: the module called sys.exit({error.code!r}) while it was loaded.")
    return ModuleLoadError(f"{where}: {type(error).__name__}: {error}")


def unknown_name(kind: str, name: str, known: Iterable[str], *, hint: str = "") -> UnknownName:
    """The error for a name that is not there: what is, and the nearest."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    nearest = f" Did you mean {near[0]!r}?" if near else ""
    listed = f" There are: {', '.join(names)}." if names else " There are none."
    return UnknownName(f"There is no {kind} {name!r}.{nearest}{listed}{' ' + hint if hint else ''}")


def task_named(file: LoadedFile, name: str) -> TaskTemplate[..., object]:
    """A task by its variable, or by its full name.

    Raises:
        UnknownName: There is none.
    """
    if name in file.tasks:
        return file.tasks[name]
    for task in file.tasks.values():
        if name in (task.name, task.short_name):
            return task
    raise unknown_name("task", name, file.tasks, hint=f"(in {file.path})")


def environment_named(file: LoadedFile, variable: str) -> Environment:
    """An environment by the variable it is assigned to.

    Raises:
        UnknownName: There is none; when an environment's *name* was given, the sentence says its variable.
    """
    if variable in file.environments:
        return file.environments[variable]
    for name, env in file.environments.items():
        if env.name == variable:
            raise UnknownName(
                f"{variable!r} is the name of an environment; give the variable it is assigned to, {name!r}: "
                f"flyte deploy {file.path.name} {name}"
            )
    raise unknown_name("environment variable", variable, file.environments, hint=f"(in {file.path})")
