"""`flyte.run` and `flyte.with_runcontext`."""

from __future__ import annotations

import logging
import os
import pathlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from flyte.authoring.task import TaskTemplate
from flyte.client.session import Session, current_session, require_session
from flyte.errors import (
    FeatureNotAvailable,
    FlyteError,
    InitializationError,
    InvalidType,
    InvalidValue,
    RpcError,
    RuntimeSystemError,
    RuntimeUserError,
)
from flyte.model.task import RunSettings
from flyte.syncify import bridge

if TYPE_CHECKING:
    from flyte.remote.run import Run

log = logging.getLogger("flyte")

MODES = ("local", "remote", "hybrid")

_WITHOUT_EFFECT = ("interactive_mode", "preserve_original_types", "reset_root_logger", "debug")
"""Parameters that are taken and not built yet."""

_TEXT: tuple[tuple[type, ...], str] = ((str,), "a str")
_TEXTS: tuple[tuple[type, ...], str] = ((dict,), "a dict of str to str")
_LEVEL: tuple[tuple[type, ...], str] = ((int, str), "a level of logging")
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("mode", "name", "service_account", "version", "copy_style", "project", "domain", "queue"), _TEXT),
    **dict.fromkeys(("raw_data_path", "run_base_dir"), _TEXT),
    **dict.fromkeys(("env_vars", "labels", "annotations", "custom_context"), _TEXTS),
    **dict.fromkeys(("log_level", "user_log_level"), _LEVEL),
    "copy_bundle_to": ((str, os.PathLike), "a path"),
    "run_start_time": ((datetime,), "a datetime"),
    "max_action_concurrency": ((int,), "a number"),
}
"""Parameter → what it may be, beside None."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything that `with_runcontext` takes, checked."""

    mode: str | None = None
    name: str | None = None
    service_account: str | None = None
    version: str | None = None
    copy_style: str = "loaded_modules"
    dry_run: bool = False
    copy_bundle_to: pathlib.Path | None = None
    interactive_mode: bool | None = None
    raw_data_path: str | None = None
    run_base_dir: str | None = None
    run_start_time: datetime | None = None
    overwrite_cache: bool = False
    project: str | None = None
    domain: str | None = None
    env_vars: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    interruptible: bool | None = None
    log_level: int | None = None
    log_format: str = "console"
    user_log_level: int | None = None
    reset_root_logger: bool = False
    disable_run_cache: bool = False
    queue: str | None = None
    max_action_concurrency: int | None = None
    custom_context: dict[str, str] = field(default_factory=dict)
    cache_lookup_scope: Literal["global", "project-domain"] = "global"
    preserve_original_types: bool = False
    debug: bool = False

    def __post_init__(self) -> None:
        for parameter, (kinds, wanted) in _KINDS.items():
            value = getattr(self, parameter)
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
                raise InvalidType(f"with_runcontext({parameter}=…) must be {wanted}, not {value!r}.")
        if self.run_start_time is not None and self.run_start_time.tzinfo is None:
            object.__setattr__(self, "run_start_time", self.run_start_time.replace(tzinfo=UTC))
        if self.copy_bundle_to is not None:
            object.__setattr__(self, "copy_bundle_to", pathlib.Path(self.copy_bundle_to))
        for parameter in ("log_level", "user_log_level"):
            level = getattr(self, parameter)
            if isinstance(level, str) and level not in logging.getLevelNamesMapping():
                raise InvalidValue(f"with_runcontext({parameter}={level!r}) is no level. Use logging.INFO, say.")
        for parameter in _WITHOUT_EFFECT:
            if getattr(self, parameter):
                log.warning("with_runcontext(%s=…) has no effect in this version.", parameter)
        if self.mode is not None and self.mode not in MODES:
            raise InvalidValue(f"mode={self.mode!r} is not known. Use 'local' or 'remote'.")
        if self.mode == "hybrid":
            raise FeatureNotAvailable("mode='hybrid' is not available; use 'local' or 'remote'.")
        if self.max_action_concurrency is not None and (
            self.max_action_concurrency < 0 or self.max_action_concurrency == 1
        ):
            raise InvalidValue(
                f"max_action_concurrency must be 0 (no bound) or at least 2, got {self.max_action_concurrency}."
            )
        for what in ("env_vars", "labels", "annotations", "custom_context"):
            for key, value in (getattr(self, what) or {}).items():
                if not isinstance(key, str) or not isinstance(value, str):
                    raise InvalidType(f"{what}[{key!r}] must be text, not {value!r}.")
        for key, value in (self.env_vars or {}).items():
            if not key or "=" in key or "\0" in key + value:
                raise InvalidValue(f"with_runcontext(env_vars=…): {key!r} cannot be an environment variable.")
        if self.cache_lookup_scope not in ("global", "project-domain"):
            raise InvalidValue(f"cache_lookup_scope={self.cache_lookup_scope!r} must be 'global' or 'project-domain'.")

    def run_settings(self, sys_path: str | None) -> RunSettings:
        """The part that travels as the RunSpec."""
        levels = {
            "LOG_LEVEL": str(
                self.log_level if self.log_level is not None else logging.getLogger("flyte").getEffectiveLevel()
            ),
            "LOG_FORMAT": self.log_format,
            "USER_LOG_LEVEL": str(self.user_log_level if self.user_log_level is not None else logging.INFO),
        }
        if sys_path:
            levels["_F_SYS_PATH"] = sys_path
        return RunSettings(
            name=self.name,
            labels=self.labels or {},
            annotations=self.annotations or {},
            env_vars={**levels, **(self.env_vars or {})},
            interruptible=self.interruptible,
            overwrite_cache=self.overwrite_cache,
            cache_lookup_scope=self.cache_lookup_scope,
            queue=self.queue,
            raw_data_path=self.raw_data_path,
            run_base_dir=self.run_base_dir,
            service_account=self.service_account,
            max_action_concurrency=self.max_action_concurrency,
            run_start_time=self.run_start_time,
            custom_context=self.custom_context,
        )


class _RunVerb:
    """The bound `run` of a runner: call it to block, `.aio(...)` to await."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __call__(self, task: Any, *args: Any, **kwargs: Any) -> Run:
        options = self._runner.options
        if self._runner.is_local(task):
            from flyte.runtime.local.run import run_local

            return cast("Run", run_local(task, args, kwargs, options))
        return bridge.run(self._runner.run_remote(task, args, kwargs))

    async def aio(self, task: Any, *args: Any, **kwargs: Any) -> Run:
        """The asynchronous form."""
        if self._runner.is_local(task):
            from flyte.runtime.local.run import run_local_async

            return cast("Run", await run_local_async(task, args, kwargs, self._runner.options))
        return await self._runner.run_remote(task, args, kwargs)


class Runner:
    """Runs tasks with explicit parameters. Made by `with_runcontext`.

    Args:
        options: The parameters.
    """

    def __init__(self, options: RunOptions) -> None:
        self.options = options

    @property
    def run(self) -> _RunVerb:
        """`run(task, *args, **kwargs)`, and `run.aio(...)`.

        The first argument is a task, a handle from `flyte.remote.Task.get`, or the name of a deployed task,
        `"environment.task"`, which runs in its newest version, unless the parameters or the name say which
        (`"environment.task:v1"`).

        Raises:
            InvalidType: The first argument is none of these.
            InvalidValue: The arguments do not fit the task's inputs.
        """
        return _RunVerb(self)

    def is_local(self, task: Any) -> bool:
        """True when this call runs in this process."""
        mode = self.options.mode
        session = current_session()
        if session is not None and session.task_process == "importing":
            raise RuntimeUserError(
                "RunWhileImporting",
                "flyte.run was called while a task process imports the module, which would start a run within every "
                "task. Put it under `if __name__ == '__main__':`.",
            )
        if mode == "remote" and session is None:
            raise InitializationError(
                "NotInitConfiguredError",
                "user",
                "mode='remote' needs flyte.init_from_config() or flyte.init(endpoint=…) first.",
            )
        if mode is None:
            mode = "remote" if session is not None and session.transport is not None else "local"
        if mode == "local" and not isinstance(task, TaskTemplate):
            _refuse_what_is_no_task(task)
        if self.options.dry_run:
            return False
        return mode == "local"

    async def run_remote(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        """Run on the configured backend."""
        from flyte.launch.submit import run_deployed, run_ephemeral

        session = (current_session() or Session()) if self.options.dry_run else require_session()
        try:
            if isinstance(task, TaskTemplate):
                return await run_ephemeral(session, task, args, kwargs, self.options)
            return await run_deployed(session, _deployed(task, self.options), args, kwargs, self.options)
        except RpcError as e:
            raise _as_run_error(e) from e


def _deployed(task: Any, options: RunOptions) -> Any:
    from flyte.remote.task import LazyEntity, Task, TaskDetails

    if isinstance(task, str):
        name, _, version = task.partition(":")
        if version := version or options.version or "":
            return Task.get(name, project=options.project, domain=options.domain, version=version)
        return Task.get(name, project=options.project, domain=options.domain, auto_version="latest")
    if isinstance(task, LazyEntity | TaskDetails):
        return task
    _refuse_what_is_no_task(task)
    raise AssertionError("unreachable")


def _refuse_what_is_no_task(task: Any) -> None:
    if isinstance(task, str):
        raise InvalidType(
            f"{task!r} names a deployed task, which runs on a backend: call flyte.init_from_config() first, "
            "and leave out mode='local'."
        )
    from flyte.lazy import lazy

    remote = lazy("flyte.remote.task")
    if isinstance(task, remote.LazyEntity | remote.TaskDetails):
        from flyte.errors import RemoteTaskUsageError

        raise RemoteTaskUsageError("A deployed task runs on a backend, not in local mode.")
    hint = " Decorate it with @env.task." if callable(task) else ""
    raise InvalidType(f"Only tasks can be run, not {type(task).__name__} objects such as {task!r:.100}.{hint}")


def _as_run_error(e: RpcError) -> FlyteError:
    if e.code == "unavailable":
        return e
    error: FlyteError
    if e.code == "already_exists":
        error = RuntimeUserError("RunAlreadyExistsError", e.message)
    elif e.code == "invalid_argument":
        error = RuntimeUserError("InvalidArgumentError", e.message)
    elif e.code in ("not_found", "failed_precondition", "permission_denied", "unimplemented"):
        error = RuntimeUserError(e.code, e.message)
    else:
        error = RuntimeSystemError("RunCreationError", e.message)
    error.hint = e.hint
    return error


def with_runcontext(
    mode: str | None = None,
    *,
    name: str | None = None,
    service_account: str | None = None,
    version: str | None = None,
    copy_style: str = "loaded_modules",
    dry_run: bool = False,
    copy_bundle_to: pathlib.Path | None = None,
    interactive_mode: bool | None = None,
    raw_data_path: str | None = None,
    run_base_dir: str | None = None,
    run_start_time: datetime | None = None,
    overwrite_cache: bool = False,
    project: str | None = None,
    domain: str | None = None,
    env_vars: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    interruptible: bool | None = None,
    log_level: int | None = None,
    log_format: str = "console",
    user_log_level: int | None = None,
    reset_root_logger: bool = False,
    disable_run_cache: bool = False,
    queue: str | None = None,
    max_action_concurrency: int | None = None,
    notifications: Any = None,
    custom_context: dict[str, str] | None = None,
    cache_lookup_scope: Literal["global", "project-domain"] = "global",
    preserve_original_types: bool = False,
    debug: bool = False,
    tracked: bool = False,
    tracked_strict: bool = False,
    _tracker: Any = None,
) -> Runner:
    """A runner with explicit parameters.

    Args:
        mode: `"local"`, `"remote"`, or None: remote where a backend is configured.
        name: The run's name; one is given by default. Names are unique on a backend.
        version: The version of the code, in place of the bundle's digest; needed by `copy_style="none"`. Of a
            deployed task that is named by text it says which version runs.
        copy_style: Which files go along: `"loaded_modules"`, `"all"` or `"none"`.
        dry_run: Make everything that would be sent, and send nothing.
        copy_bundle_to: A folder to leave a copy of the code bundle in.
        interactive_mode, preserve_original_types, reset_root_logger, debug: Accepted, with a warning that they have
            no effect in this version.
        raw_data_path: Where large values go.
        run_base_dir: Where the run's data goes.
        run_start_time: What `flyte.ctx().run_start_time` says; without a time zone it is UTC.
        overwrite_cache: Make results anew, and keep them in place of the old ones.
        disable_run_cache: Local runs: neither use nor keep results.
        env_vars, labels, annotations: Texts by name, for all actions and the run.
        interruptible, queue, service_account: In place of what the tasks say.
        log_level, user_log_level: Levels of the loggers `flyte` and `flyte.user` in the run.
        max_action_concurrency: How many actions of the run go on at once; 0 for no bound. Not in local mode.
        custom_context: Texts by name, handed down to all actions.
        cache_lookup_scope: Whose results count.

    Raises:
        InvalidType: A parameter has the wrong type.
        InvalidValue: A parameter that cannot be.
        FeatureNotAvailable: `tracked`, `notifications` or hybrid mode, which are not built yet.

    Example:
        >>> run = with_runcontext(mode="local").run(my_task, name="World")  # doctest: +SKIP
    """
    unbuilt = {"tracked": tracked, "tracked_strict": tracked_strict, "notifications": notifications}
    for parameter, value in {**unbuilt, "_tracker": _tracker}.items():
        if value:
            raise FeatureNotAvailable(
                f"with_runcontext({parameter}=…) is not available yet; see docs/compatibility.md."
            )
    return Runner(
        RunOptions(
            mode=mode,
            name=name,
            service_account=service_account,
            version=version,
            copy_style=copy_style,
            dry_run=dry_run,
            copy_bundle_to=copy_bundle_to,
            interactive_mode=interactive_mode,
            raw_data_path=raw_data_path,
            run_base_dir=run_base_dir,
            run_start_time=run_start_time,
            overwrite_cache=overwrite_cache,
            project=project,
            domain=domain,
            env_vars=env_vars,
            labels=labels,
            annotations=annotations,
            interruptible=interruptible,
            log_level=log_level,
            log_format=log_format,
            user_log_level=user_log_level,
            reset_root_logger=reset_root_logger,
            disable_run_cache=disable_run_cache,
            queue=queue,
            max_action_concurrency=max_action_concurrency,
            custom_context=custom_context if custom_context is not None else {},
            cache_lookup_scope=cache_lookup_scope,
            preserve_original_types=preserve_original_types,
            debug=debug,
        )
    )


class _Run:
    """Run a task and give back its run.

    In local mode (no backend configured) the task runs in this process, and its failure is raised here. With a
    backend the run is started, and its failure is raised by `outputs()`.

    Args:
        task: A task, a handle from `flyte.remote.Task.get`, or the name of a deployed task.
        *args, **kwargs: The task's inputs.

    Returns:
        A `Run`: `str(run)` is the value of a finished run with one output.

    Example:
        >>> run = flyte.run(greet, name="World")  # doctest: +SKIP
        >>> print(run)  # doctest: +SKIP
        Hello, World!
    """

    def __call__(self, task: Any, *args: Any, **kwargs: Any) -> Run:
        return Runner(RunOptions()).run(task, *args, **kwargs)

    async def aio(self, task: Any, *args: Any, **kwargs: Any) -> Run:
        """The asynchronous form."""
        return await Runner(RunOptions()).run.aio(task, *args, **kwargs)


run = _Run()

__all__ = ["RunOptions", "Runner", "run", "with_runcontext"]
