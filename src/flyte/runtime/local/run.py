"""`flyte.run` in local mode."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from flyte.authoring.task import TaskTemplate
from flyte.client.session import current_session
from flyte.errors import FlyteError, TaskTimeoutError
from flyte.model.context import ActionID, RawDataPath, TaskContext
from flyte.model.ids import RunId, Scope
from flyte.model.phase import ActionPhase
from flyte.runtime.invocation import bound_arguments
from flyte.runtime.local.action import ROOT, LocalRunInfo
from flyte.runtime.local.clock import SYSTEM_CLOCK, Clock
from flyte.runtime.local.controller import LocalController
from flyte.runtime.local.handle import LocalRun
from flyte.runtime.local.record import ErrorText
from flyte.runtime.local.stores import data_folder, open_recorder, open_results
from flyte.syncify import bridge, on_running_loop

log = logging.getLogger("flyte")


class LocalOptions(Protocol):
    """The part of the run options that local mode uses."""

    @property
    def name(self) -> str | None: ...
    @property
    def raw_data_path(self) -> str | None: ...
    @property
    def run_base_dir(self) -> str | None: ...
    @property
    def project(self) -> str | None: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def env_vars(self) -> dict[str, str] | None: ...
    @property
    def labels(self) -> dict[str, str] | None: ...
    @property
    def overwrite_cache(self) -> bool: ...
    @property
    def disable_run_cache(self) -> bool: ...
    @property
    def custom_context(self) -> dict[str, str]: ...
    @property
    def run_start_time(self) -> datetime | None: ...
    @property
    def log_level(self) -> int | None: ...
    @property
    def user_log_level(self) -> int | None: ...


def run_local(
    task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], options: LocalOptions,
    clock: Clock = SYSTEM_CLOCK,
) -> LocalRun:  # fmt: skip
    """Run a task in this process, its user code in this thread.

    On a running event loop (a notebook) the task runs on the bridge's loop instead.

    Raises:
        BaseRuntimeError: The task failed.
        InvalidValue, InvalidType: The arguments do not fit the task's inputs.
    """
    bound = bound_arguments(task, args, kwargs)
    if on_running_loop():
        return bridge.run(run_local_async(task, args, kwargs, options, clock))
    run = _new_run(options, clock)
    controller, outside = LocalController(run), _outside(run, options)
    with _recorded(run, options):
        if task._call_as_synchronous:
            value = controller.run_root(task, bound, outside)
        else:
            import asyncio  # not at the top: synchronous tasks do without it

            value = asyncio.run(controller.run_root_async(task, bound, outside))
    return _handle(run, task, bound, value, options)


async def run_local_async(
    task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], options: LocalOptions,
    clock: Clock = SYSTEM_CLOCK,
) -> LocalRun:  # fmt: skip
    """The asynchronous form of `run_local`: user code runs on the caller's loop."""
    bound = bound_arguments(task, args, kwargs)
    run = _new_run(options, clock)
    with _recorded(run, options):
        value = await LocalController(run).run_root_async(task, bound, _outside(run, options))
    return _handle(run, task, bound, value, options)


def _new_run(options: LocalOptions, clock: Clock) -> LocalRunInfo:
    session = current_session()
    task = session.config.task if session is not None else None
    name = options.name or f"local-{os.urandom(6).hex()}"
    RunId(Scope("local", "local"), name)
    folder = options.raw_data_path or options.run_base_dir or data_folder(name)
    project = options.project or (task.project if task is not None else None)
    domain = options.domain or (task.domain if task is not None else None)
    return LocalRunInfo(
        name=name,
        project=project,
        domain=domain,
        folder=folder,
        env_vars=dict(options.env_vars or {}),
        overwrite_cache=options.overwrite_cache,
        recorder=open_recorder(name, project, domain, folder),
        results=None if options.disable_run_cache else open_results(),
        clock=clock,
    )


def _outside(run: LocalRunInfo, options: LocalOptions) -> TaskContext:
    """The context that the root action is made from."""
    return TaskContext(
        action=ActionID(name=ROOT, run_name=run.name, project=run.project, domain=run.domain),
        version="",
        raw_data_path=RawDataPath(path=run.folder),
        output_path=run.folder,
        run_base_dir=run.folder,
        mode="local",
        custom_context=dict(options.custom_context),
        disable_run_cache=options.disable_run_cache,
        run_start_time=options.run_start_time or datetime.now(UTC),
    )


@contextlib.contextmanager
def _recorded(run: LocalRunInfo, options: LocalOptions) -> Iterator[None]:
    """Tell the history how the run ended, and close what it opened."""
    phase, error = ActionPhase.SUCCEEDED, None
    try:
        with _levels(options):
            yield
    except FlyteError as e:
        phase = ActionPhase.TIMED_OUT if isinstance(e, TaskTimeoutError) else ActionPhase.FAILED
        error = ErrorText(e.code, e.message)
        raise
    except BaseException:
        phase = ActionPhase.ABORTED
        raise
    finally:
        run.recorder.run_ended(phase, error)
        if run.results is not None:
            run.results.close()


@contextlib.contextmanager
def _levels(options: LocalOptions) -> Iterator[None]:
    """Log levels for as long as the run goes on."""
    wanted = {"flyte": options.log_level, "flyte.user": options.user_log_level}
    before = {name: logging.getLogger(name).level for name, level in wanted.items() if level is not None}
    for name in before:
        logging.getLogger(name).setLevel(wanted[name] or logging.NOTSET)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _handle(
    run: LocalRunInfo, task: TaskTemplate[..., Any], bound: Mapping[str, Any], value: Any, options: LocalOptions
) -> LocalRun:
    count = len(task.interface.outputs)
    values = () if count == 0 else (value,) if count == 1 else tuple(value)
    inputs = dict(task.interface.with_defaults(bound))
    return LocalRun(
        run.name, run.folder, values, inputs, task.interface,
        project=run.project, domain=run.domain, labels=options.labels,
    )  # fmt: skip
