"""`flyte.run` in local mode."""

from __future__ import annotations

import asyncio
import logging
import secrets
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from flyte.authoring.task import TaskTemplate
from flyte.client.session import current_session
from flyte.errors import BaseRuntimeError
from flyte.model.context import ActionID, RawDataPath, TaskContext
from flyte.model.ids import RunId, Scope
from flyte.model.phase import ActionPhase
from flyte.runtime.invocation import bound_arguments
from flyte.runtime.local.controller import LocalController, LocalRunInfo
from flyte.runtime.local.handle import LocalRun
from flyte.runtime.local.stores import open_recorder, open_results
from flyte.syncify import bridge

log = logging.getLogger("flyte")


class LocalOptions(Protocol):
    """The part of the run options that local mode uses."""

    name: str | None
    raw_data_path: str | None
    project: str | None
    domain: str | None
    env_vars: dict[str, str] | None
    overwrite_cache: bool
    disable_run_cache: bool
    custom_context: dict[str, str]
    run_start_time: datetime | None


def _new_run(options: LocalOptions) -> LocalRunInfo:
    session = current_session()
    task = session.config.task if session is not None else None
    name = options.name or f"local-{secrets.token_hex(6)}"
    RunId(Scope("local", "local"), name)
    folder = options.raw_data_path or tempfile.mkdtemp(prefix=f"flyte-{name}-")
    project = options.project or (task.project if task is not None else None)
    domain = options.domain or (task.domain if task is not None else None)
    return LocalRunInfo(
        name=name,
        project=project,
        domain=domain,
        folder=folder,
        env_vars=dict(options.env_vars or {}),
        overwrite_cache=options.overwrite_cache,
        disable_cache=options.disable_run_cache,
        recorder=open_recorder(name, project, domain),
        results=open_results(),
    )


def _outside(run: LocalRunInfo, options: LocalOptions) -> TaskContext:
    """The context that the root action is a child of."""
    return TaskContext(
        action=ActionID(name="a0", run_name=run.name, project=run.project, domain=run.domain),
        version="",
        raw_data_path=RawDataPath(path=run.folder),
        output_path=run.folder,
        run_base_dir=run.folder,
        mode="local",
        custom_context=dict(options.custom_context),
        disable_run_cache=options.disable_run_cache,
        run_start_time=options.run_start_time or datetime.now(UTC),
    )


def _handle(run: LocalRunInfo, task: TaskTemplate[..., Any], bound: Mapping[str, Any], value: Any) -> LocalRun:
    run.recorder.run_ended(ActionPhase.SUCCEEDED, None)
    count = len(task.interface.outputs)
    values = () if count == 0 else (value,) if count == 1 else tuple(value)
    return LocalRun(
        run.name,
        run.folder,
        values,
        dict(task.interface.with_defaults(bound)),
        project=run.project,
        domain=run.domain,
    )


def run_local(
    task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], options: LocalOptions
) -> LocalRun:
    """Run a task in this process, its user code in this thread.

    On a running event loop (a notebook) the task runs on the bridge's loop instead.

    Raises:
        BaseRuntimeError: The task failed.
    """
    bound = bound_arguments(task, args, kwargs)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return bridge.run(run_local_async(task, args, kwargs, options))
    run = _new_run(options)
    controller, outside = LocalController(run), _outside(run, options)
    try:
        if task._call_as_synchronous:
            value = controller.execute(task, bound, outside)
        else:
            value = asyncio.run(controller.execute_async(task, bound, outside))
    except BaseException as e:
        _record_failure(run, e)
        raise
    return _handle(run, task, bound, value)


async def run_local_async(
    task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], options: LocalOptions
) -> LocalRun:
    """The asynchronous form of `run_local`: user code runs on the caller's loop."""
    bound = bound_arguments(task, args, kwargs)
    run = _new_run(options)
    try:
        value = await LocalController(run).execute_async(task, bound, _outside(run, options))
    except BaseException as e:
        _record_failure(run, e)
        raise
    return _handle(run, task, bound, value)


def _record_failure(run: LocalRunInfo, error: BaseException) -> None:
    if isinstance(error, BaseRuntimeError):
        run.recorder.run_ended(ActionPhase.FAILED, error)
    else:
        run.recorder.run_ended(ActionPhase.ABORTED, None)
