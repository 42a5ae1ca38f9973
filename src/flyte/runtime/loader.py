"""From a code bundle to the task in it."""

from __future__ import annotations

import gzip
import importlib
import logging
import os
import pathlib
import sys
from typing import Any

from flyte.authoring.task import TaskTemplate
from flyte.errors import CodeBundleError, ModuleLoadError
from flyte.model.bundle import CodeBundle
from flyte.storage.archive import extract_tar_gz
from flyte.storage.port import store_for

log = logging.getLogger("flyte")


def download_bundle(bundle: CodeBundle) -> CodeBundle:
    """Fetch and extract a bundle into its destination.

    Raises:
        CodeBundleError: It is not there, damaged, or refused.
    """
    destination = pathlib.Path(bundle.destination).absolute()
    destination.mkdir(parents=True, exist_ok=True)
    uri = bundle.tgz or bundle.pkl
    assert uri is not None
    data = store_for(uri).read(uri)
    if bundle.tgz:
        extract_tar_gz(data, destination)
        return bundle.with_downloaded_path(destination)
    path = destination / "task.pkl.gz"
    path.write_bytes(data)
    return bundle.with_downloaded_path(path)


def extend_sys_path(destination: pathlib.Path) -> None:
    """Put the bundle's folder and the folders of `_F_SYS_PATH` on `sys.path`."""
    further = [part for part in os.environ.get("_F_SYS_PATH", "").split(":") if part]
    folders = [str(destination), *(str((destination / part).resolve()) for part in further)]
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def load_pickled(bundle: CodeBundle) -> TaskTemplate[..., Any]:
    """The task of a pickled bundle. Runs only in a task's own process.

    Raises:
        ModuleLoadError: It cannot be read here, or holds no task.
    """
    import cloudpickle

    assert bundle.downloaded_path is not None
    try:
        with gzip.open(bundle.downloaded_path) as file:
            task = cloudpickle.load(file)
    except ModuleNotFoundError as e:
        raise ModuleLoadError(f"The pickled bundle cannot be read. {missing_module(e)}") from e
    except Exception as e:
        version = ".".join(map(str, sys.version_info[:2]))
        raise ModuleLoadError(
            f"The pickled bundle cannot be read by Python {version} ({sys.executable}): {type(e).__name__}: {e}. "
            "Pickles are read by the Python version that wrote them."
        ) from e
    if not isinstance(task, TaskTemplate):
        raise ModuleLoadError(f"The pickled bundle holds a {type(task).__name__}, not a task.")
    return task


def missing_module(error: ImportError) -> str:
    """Which interpreter lacks which module, and what can be done."""
    name = error.name or str(error)
    package = name.partition(".")[0]
    return (
        f"{sys.executable} has no module {name!r}. Install it there (`{sys.executable} -m pip install {package}`), "
        "add it to the image of the environment (with_pip_packages), or, if it is your own, check that it lies below "
        "the root folder of the run."
    )


def load_task(module: str, variable: str) -> TaskTemplate[..., Any]:
    """Import a module and take the task out of it.

    Raises:
        ModuleLoadError: The module cannot be imported or has no such task; the sentence names the interpreter,
            what is missing, and what can be done.
    """
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as e:
        raise ModuleLoadError(f"Importing {module} failed. {missing_module(e)}") from e
    except Exception as e:
        raise ModuleLoadError(f"Importing {module} failed: {type(e).__name__}: {e}") from e
    task = getattr(loaded, variable, None)
    if not isinstance(task, TaskTemplate):
        known = sorted(name for name, value in vars(loaded).items() if isinstance(value, TaskTemplate))
        raise ModuleLoadError(f"Module {module} has no task {variable!r}; it has {', '.join(known) or 'none'}.")
    return task


def prepare(bundle: CodeBundle | None) -> CodeBundle | None:
    """Download the bundle, if there is one, and make its modules importable."""
    if bundle is None:
        extend_sys_path(pathlib.Path.cwd())
        return None
    try:
        bundle = download_bundle(bundle)
    except OSError as e:
        raise CodeBundleError(f"The code bundle cannot be kept: {e.strerror}.") from e
    extend_sys_path(pathlib.Path(bundle.destination).absolute())
    return bundle
