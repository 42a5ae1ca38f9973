"""From a task template to the data that the wire knows."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from typing import Any

from flyte.authoring.task import TaskTemplate
from flyte.errors import FeatureNotAvailable, InvalidValue
from flyte.model.cache import as_cache
from flyte.model.image import Image
from flyte.model.pod import PodTemplate
from flyte.model.retry import as_retry_strategy
from flyte.model.secret import as_secrets
from flyte.model.task import Placement, TaskDefinition
from flyte.model.timeout import as_timeout
from flyte.runtime.source import source_link


def module_of(task: TaskTemplate[..., Any], root: pathlib.Path) -> tuple[str, str]:
    """Where a task process finds a task: its module relative to the root, and the variable.

    Raises:
        InvalidValue: The task is not a module-level name equal to its function's, or its module has no name that
            could be imported.
    """
    func = getattr(task, "func", None)
    file = task.source_file
    if func is None or file is None:
        raise InvalidValue(f"Task {task.name} has no function that a task process could find.")
    name = func.__name__
    if "<locals>" in func.__qualname__:
        raise InvalidValue(
            f"Task {task.name} is defined inside {func.__qualname__.split('.<locals>')[0]}(), where a task process "
            "cannot find it. Define it at module level."
        )
    return _module_name(pathlib.Path(file), root, func.__module__), name


def _module_name(file: pathlib.Path, root: pathlib.Path, fallback: str) -> str:
    try:
        relative = file.resolve().relative_to(root.resolve())
    except ValueError:
        if fallback == "__main__":
            raise InvalidValue(
                f"{file} lies outside the root folder {root}. Run from the folder of your code, or give --root-dir."
            ) from None
        return fallback
    parts = relative.with_suffix("").parts
    if parts[-1] == "__init__" and len(parts) > 1:
        parts = parts[:-1]
    parts = _as_imported(parts, file, fallback)
    dotted = next((part for part in parts if "." in part), None)
    if dotted is not None:
        raise InvalidValue(
            f"A task process cannot import {file}: there is a dot in {dotted!r}. Rename it"
            + (", or give a --root-dir below it." if dotted != parts[-1] else ".")
        )
    return ".".join(parts)


def _as_imported(parts: tuple[str, ...], file: pathlib.Path, name: str) -> tuple[str, ...]:
    """A src layout is importable under its name without src, if that is how it was imported here."""
    loaded = sys.modules.get(name)
    if name == "__main__" or loaded is None or getattr(loaded, "__file__", None) != str(file):
        return parts
    if "." not in name and importlib.util.find_spec(name) is None:
        return parts
    return next((parts[i:] for i in range(len(parts)) if ".".join(parts[i:]) == name), parts)


def image_uri(task: TaskTemplate[..., Any], images: dict[str, str]) -> str:
    """The address of a task's image.

    Raises:
        FeatureNotAvailable: The image has layers, and this version builds none.
    """
    image = task.image
    if image is None:
        return ""
    if isinstance(image, str):
        return image
    assert isinstance(image, Image)
    return image.resolved_uri(images)


def definition_of(
    task: TaskTemplate[..., Any], placement: Placement, image: str, description_of_env: str | None = None
) -> TaskDefinition:
    """A task as data."""
    interface = task.interface
    docstring = interface.docstring
    pickled = placement.code_bundle is not None and bool(placement.code_bundle.pkl)
    module, variable = (None, None) if pickled else module_of(task, placement.root_dir or pathlib.Path.cwd())
    if task.triggers:
        raise FeatureNotAvailable(
            f"Task {task.name} has triggers, which are not available yet (docs/compatibility.md). "
            "Remove them to deploy."
        )
    if isinstance(task.pod_template, PodTemplate):
        raise FeatureNotAvailable(
            f"Task {task.name} has a PodTemplate object, which comes with the Kubernetes executor "
            "(docs/compatibility.md). Name a template of the cluster, or remove it."
        )
    parent = task.parent_env() if task.parent_env is not None else None
    return TaskDefinition(
        name=task.name,
        environment=task.parent_env_name or task.name.rpartition(".")[0],
        environment_description=description_of_env or (parent.description if parent is not None else None),
        short_name=task.short_name,
        interface=interface,
        task_type=task.task_type,
        task_type_version=task.task_type_version,
        image=image,
        resources=task.resources,
        cache=as_cache(task.cache),
        cache_version=task.cache_version(placement.code_bundle),
        retries=as_retry_strategy(task.retries),
        timeout=as_timeout(task.timeout),
        interruptible=task.interruptible,
        reusable=task.reusable,
        env_vars=dict(task.env_vars or {}),
        secrets=as_secrets(task.secrets),
        service_account=task.service_account,
        pod_template=task.pod_template,
        report=task.report,
        debuggable=task.debuggable and task.reusable is None,
        entrypoint=task.entrypoint,
        produces_artifacts=task.produces_artifacts,
        queue=task.queue,
        max_inline_io_bytes=task.max_inline_io_bytes,
        description=_description(task),
        long_description=docstring.long_description if docstring is not None else None,
        source_link=source_link(task, placement.repository),
        module=module,
        variable=variable,
    )


def _description(task: TaskTemplate[..., Any]) -> str | None:
    """What the task says of itself: its `docs`, else the summary of its docstring."""
    if task.docs is not None:
        return task.docs.description
    docstring = task.interface.docstring
    return docstring.short_description if docstring is not None else None
