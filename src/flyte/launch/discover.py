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
from flyte.errors import FlyteError, InvalidValue, ModuleLoadError, UnknownName


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
        InvalidValue: Two environments in it have one name.
    """
    if not path.exists():
        raise InvalidValue(f"File {path} does not exist.")
    if path.is_dir():
        raise InvalidValue(f"{path} is a folder. Give the Python file in it that has your tasks.")
    if path.suffix != ".py":
        raise InvalidValue(f"{path} is not a Python file: its name does not end in .py.")
    resolved, root = path.resolve(), root.resolve()
    try:
        relative = resolved.relative_to(root)
    except ValueError:
        raise InvalidValue(
            f"File {path} lies outside the root folder {root}. Change to the folder of your code, or give --root-dir."
        ) from None
    module = _execute(resolved, _module_name(relative), root)
    environments = {name: value for name, value in vars(module).items() if isinstance(value, Environment)}
    _refuse_doubled_names(path, environments)
    return LoadedFile(
        path=resolved,
        module=module,
        tasks={name: value for name, value in vars(module).items() if isinstance(value, TaskTemplate)},
        environments=environments,
    )


def _refuse_doubled_names(path: pathlib.Path, environments: dict[str, Environment]) -> None:
    seen: dict[str, tuple[str, Environment]] = {}
    for variable, env in environments.items():
        first, known = seen.setdefault(env.name, (variable, env))
        if known is not env:
            raise InvalidValue(
                f"Duplicate environment name {env.name!r} in {path}: the variables {first} and {variable} both have "
                "it. Give one of them another name."
            )


def _module_name(relative: pathlib.Path) -> str:
    parts = list(relative.with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if parts[0] == "src" and len(parts) > 1:
        parts.pop(0)
    return ".".join(parts)


def _execute(path: pathlib.Path, name: str, root: pathlib.Path) -> ModuleType:
    for folder in (str(path.parent), str(pathlib.Path.cwd())):
        if folder not in sys.path:
            sys.path.append(folder)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if known is not None:
        raise InvalidValue(
            f"{path} would be the module {name!r}, which is another one already ({_origin(known)}). Rename the file."
        )
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
        raise _load_error(path, root, e) from e
    return module


def _origin(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "built into Python"


def _load_error(path: pathlib.Path, root: pathlib.Path, error: BaseException) -> ModuleLoadError:
    if isinstance(error, SyntaxError):
        where = f"{error.filename or path}, line {error.lineno}"
        line = (error.text or "").rstrip()
        return ModuleLoadError(f"Syntax error in {where}: {error.msg}" + (f"\n    {line.strip()}" if line else ""))
    where = _place(path, root, error)
    if isinstance(error, ModuleNotFoundError):
        return ModuleLoadError(
            f"{where}: there is no module {error.name!r} in {sys.executable}. Install it there, or check its name."
        )
    if isinstance(error, FlyteError):
        return ModuleLoadError(f"{where}: {error.message}")
    if isinstance(error, SystemExit):
        return ModuleLoadError(f"{where}: the module called sys.exit({error.code!r}) while it was loaded.")
    return ModuleLoadError(f"{where}: {type(error).__name__}: {error}")


def _place(path: pathlib.Path, root: pathlib.Path, error: BaseException) -> str:
    """The innermost line of the user's own code that an error passed through."""
    where = str(path)
    tb = error.__traceback__
    while tb is not None:
        file = pathlib.Path(tb.tb_frame.f_code.co_filename)
        if file == path or (file.is_relative_to(root) and "site-packages" not in file.parts):
            where = f"{file}, line {tb.tb_lineno}"
        tb = tb.tb_next
    return where


def unknown_name(kind: str, name: str, known: Iterable[str], *, place: str = "", hint: str = "") -> UnknownName:
    """The error for a name that is not there: what is, and the nearest.

    Args:
        place: Where it was looked for, `hello.py` say.
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    nearest = f" Did you mean {near[0]!r}?" if near else ""
    listed = f" There are: {', '.join(names)}." if names else " There are none."
    return UnknownName(f"There is no {kind} {name!r}{f' in {place}' if place else ''}.{nearest}{listed}", hint=hint)


def task_named(file: LoadedFile, name: str) -> TaskTemplate[..., object]:
    """A task by its variable (with dashes for underscores, too), or by its full name.

    Raises:
        UnknownName: There is none.
    """
    for variable in (name, name.replace("-", "_")):
        if variable in file.tasks:
            return file.tasks[variable]
    for task in file.tasks.values():
        if name in (task.name, task.short_name):
            return task
    raise unknown_name("task", name, file.tasks, place=file.path.name)


def environment_named(file: LoadedFile, variable: str) -> Environment:
    """An environment by the variable it is assigned to.

    Raises:
        UnknownName: There is none; when an environment's *name*, or a task, was given, the sentence says the variable.
    """
    if variable in file.environments:
        return file.environments[variable]
    for name, env in file.environments.items():
        command = f"flyte deploy {file.path.name} {name}"
        if env.name == variable:
            raise UnknownName(
                f"{variable!r} is the name of an environment. Give the variable it is assigned to, {name!r}: {command}"
            )
        task = file.tasks.get(variable)
        if task is not None and task.parent_env_name == env.name:
            raise UnknownName(f"{variable!r} is a task. Deploy its environment, {name!r}: {command}")
    raise unknown_name("environment variable", variable, file.environments, place=file.path.name)
