"""The controller of local mode: a call inside a task becomes an action of this process.

User code runs where the caller is: a synchronous child of a synchronous task in the same thread, so that
`breakpoint()` works; an asynchronous child on the caller's loop; a synchronous child that is awaited in a thread
of its own, so that children awaited together run together.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flyte.authoring.controller import Running, enter, running
from flyte.authoring.task import TaskTemplate
from flyte.errors import (
    InvalidType,
    InvalidValue,
    MaxRuntimeExceededError,
    NonRecoverableError,
    RemoteTaskUsageError,
    RuntimeDataValidationError,
)
from flyte.lifecycle.machine import (
    ActionState,
    Failed,
    Failure,
    Leased,
    RetryBudget,
    Started,
    Succeeded,
    decide,
)
from flyte.model.context import ActionID, RawDataPath, TaskContext
from flyte.model.naming import CallCounter, child_name
from flyte.model.outcome import as_return_value, returned_values
from flyte.model.phase import ActionPhase
from flyte.model.retry import Backoff, as_retry_strategy
from flyte.model.secret import as_secrets
from flyte.model.timeout import as_timeout
from flyte.runtime.invocation import as_parent_sees, bound_arguments
from flyte.runtime.local.record import Recorder
from flyte.runtime.local.results import ResultCache
from flyte.runtime.local.variables import holder
from flyte.types.engine import engine
from flyte.types.transformer import Conversion, TypeTransformerFailedError

log = logging.getLogger("flyte")

_DEFAULT_BACKOFF = Backoff(timedelta(seconds=0.5), 2.0, timedelta(seconds=60))
_NEVER_RETRIED = (NonRecoverableError, RuntimeDataValidationError, InvalidValue, InvalidType)


@dataclass(frozen=True)
class LocalRunInfo:
    """What all actions of one local run share."""

    name: str
    project: str | None
    domain: str | None
    folder: str
    env_vars: dict[str, str]
    overwrite_cache: bool
    disable_cache: bool
    recorder: Recorder
    results: ResultCache | None


class LocalController:
    """See `authoring.controller.Controller`."""

    def __init__(self, run: LocalRunInfo) -> None:
        self._run = run

    # The port.

    def call(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        state = running()
        assert state is not None
        return self.execute(task, bound_arguments(task, args, kwargs), state.context)

    async def call_async(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        state = running()
        assert state is not None
        return await self.execute_async(task, bound_arguments(task, args, kwargs), state.context)

    async def call_deployed(self, task: Any, kwargs: Mapping[str, Any]) -> Any:
        raise RemoteTaskUsageError(
            f"Deployed task {task.name} runs on a backend, and this run is local. Call the task itself, or run remotely."
        )

    # One action.

    def execute(self, task: TaskTemplate[..., Any], bound: Mapping[str, Any], parent: TaskContext) -> Any:
        """Run an action of a synchronous task, attempt after attempt, in this thread."""
        action = self._begin(task, bound, parent)
        if action.kept is not None:
            return action.kept.value
        while True:
            try:
                result = self._attempt_sync(action)
            except Exception as e:  # noqa: BLE001  decided on below
                delay = action.failed(e)
                time.sleep(delay.total_seconds())
                continue
            return action.succeeded(result)

    async def execute_async(self, task: TaskTemplate[..., Any], bound: Mapping[str, Any], parent: TaskContext) -> Any:
        """Run an action of any task, attempt after attempt, without blocking the loop."""
        action = self._begin(task, bound, parent)
        if action.kept is not None:
            return action.kept.value
        while True:
            try:
                result = await self._attempt_async(action)
            except asyncio.CancelledError:
                action.aborted()
                raise
            except Exception as e:  # noqa: BLE001  decided on below
                delay = action.failed(e)
                await asyncio.sleep(delay.total_seconds())
                continue
            return action.succeeded(result)

    def _begin(self, task: TaskTemplate[..., Any], bound: Mapping[str, Any], parent: TaskContext) -> _Action:
        return _Action(self, self._run, task, bound, parent)

    def _attempt_sync(self, action: _Action) -> Any:
        limit = action.max_runtime
        if limit is None:
            return self._body(action)
        return _within(limit, lambda: self._body(action), action.task.name)

    def _body(self, action: _Action) -> Any:
        with holder.hold(action.variables), enter(Running(action.context, self)):
            result = action.task.forward(**action.arguments())
            if inspect.isawaitable(result):
                return asyncio.run(_awaited(result))
            return result

    async def _attempt_async(self, action: _Action) -> Any:
        limit = action.max_runtime
        seconds = None if limit is None else limit.total_seconds()
        if action.task._call_as_synchronous:
            return await _in_own_thread(lambda: self._body(action), seconds, action.task.name)
        with holder.hold(action.variables), enter(Running(action.context, self)):
            try:
                async with asyncio.timeout(seconds) as timer:
                    result = action.task.forward(**action.arguments())
                    return await result if inspect.isawaitable(result) else result
            except TimeoutError as e:
                if timer.expired():
                    raise MaxRuntimeExceededError(f"{action.task.name} ran longer than {limit}.") from e
                raise


async def _awaited(result: Any) -> Any:
    return await result


@dataclass(frozen=True)
class _Kept:
    """A result of an earlier run."""

    value: Any


class _Action:
    """One action on its way through the machine."""

    def __init__(
        self,
        controller: LocalController,
        run: LocalRunInfo,
        task: TaskTemplate[..., Any],
        bound: Mapping[str, Any],
        parent: TaskContext,
    ) -> None:
        strategy = as_retry_strategy(task.retries)
        self.task = task
        self._run = run
        self._bound = bound
        self._parent = parent
        budget = RetryBudget(user=strategy.count, system=0, backoff=strategy.backoff or _DEFAULT_BACKOFF)
        self._state = ActionState(budget=budget)
        group = parent.group_data.name if parent.group_data is not None else None
        key = f"{task.name}:{group}"
        self.name = child_name(parent.action.name, "", task.name, parent._call_counter.next(key), group)
        self.max_runtime = as_timeout(task.timeout).bound("max_runtime")
        self.variables = {**(task.env_vars or {}), **run.env_vars}
        _check_secrets(task)
        self._conversion = Conversion(RawDataPath(path=f"{run.folder}/{self.name}"))
        self._inputs = self._converted()
        self._record = run.recorder.begin(self.name, parent.action.name, task, group or "", self._inputs)
        self.kept = self._lookup()
        if self.kept is None:
            self._start()

    def _converted(self) -> dict[str, Any]:
        """Inputs as another process would get them."""
        values = {}
        for name, value in self.task.interface.with_defaults(self._bound).items():
            try:
                values[name] = engine.round_trip(value, self.task.interface.inputs[name][0], self._conversion)
            except TypeTransformerFailedError as e:
                raise InvalidType(
                    f"Type conversion failed for variable {name!r} of task {self.task.name}. {e.message}",
                    code="DataValidationError",
                ) from None
        return values

    def _lookup(self) -> _Kept | None:
        results = self._run.results
        if results is None or self._run.disable_cache:
            return None
        if self._run.overwrite_cache:
            return None
        found, value = results.get(self.task, self._inputs)
        if not found:
            return None
        self._record.ended(ActionPhase.SUCCEEDED, value, None, from_cache=True)
        return _Kept(value)

    def _start(self) -> None:
        self._state = decide(self._state, Leased()).state
        self._state = decide(self._state, Started(self._state.epoch)).state
        self.context = self._new_context()
        self._record.started(self._state.attempt)

    def _new_context(self) -> TaskContext:
        run = self._run
        action = ActionID(name=self.name, run_name=run.name, project=run.project, domain=run.domain)
        return self._parent.replace(
            action=action,
            task_action=None,
            version="",
            raw_data_path=self._conversion.raw_data,
            output_path=f"{run.folder}/{self.name}/{self._state.attempt}",
            run_base_dir=run.folder,
            group_data=None,
            attempt=self._state.attempt - 1,
            _call_counter=CallCounter(),
        )

    def arguments(self) -> dict[str, Any]:
        """What the function is called with."""
        return self._inputs

    def succeeded(self, result: Any) -> Any:
        """The attempt returned: check and convert what it returned, and record it."""
        try:
            value = self._returned(result)
        except RuntimeDataValidationError as e:
            self.failed(e)
            raise AssertionError("a failed conversion is never retried") from e
        self._state = decide(self._state, Succeeded(self._state.epoch)).state
        self._record.ended(ActionPhase.SUCCEEDED, value, None)
        if self._run.results is not None and not self._run.disable_cache:
            self._run.results.put(self.task, self._inputs, value)
        return value

    def _returned(self, result: Any) -> Any:
        interface = self.task.interface
        values = []
        for name, value in returned_values(interface, result, self.task.name).items():
            try:
                values.append(engine.round_trip(value, interface.outputs[name], self._conversion))
            except TypeTransformerFailedError as e:
                raise RuntimeDataValidationError(name, e, self.task.name) from None
        return as_return_value(interface, tuple(values))

    def failed(self, error: Exception) -> timedelta:
        """The attempt raised: give back the wait before the next, or raise what the parent sees.

        Raises:
            BaseRuntimeError: There is no next attempt.
        """
        seen = as_parent_sees(error)
        recoverable = not isinstance(error, _NEVER_RETRIED)
        failure = Failure(seen.code, str(error), "user", recoverable)
        decision = decide(self._state, Failed(self._state.epoch, failure))
        self._state = decision.state
        if self._state.phase is ActionPhase.QUEUED:
            log.warning("%s: %s: %s; trying again", self.task.name, seen.code, error)
            delay = decision.commands[-1].delay  # type: ignore[union-attr]
            self._start()
            return delay
        phase = ActionPhase.TIMED_OUT if isinstance(error, MaxRuntimeExceededError) else ActionPhase.FAILED
        self._record.ended(phase, None, seen)
        raise seen from error if seen is not error else None

    def aborted(self) -> None:
        """Nobody awaits the action any more."""
        self._record.ended(ActionPhase.ABORTED, None, None)


def _check_secrets(task: TaskTemplate[..., Any]) -> None:
    """In local mode secrets come from the environment, and a missing one is an error, never an empty value."""
    missing = [secret for secret in as_secrets(task.secrets) if secret.env_var not in os.environ]
    if missing:
        names = ", ".join(secret.env_var for secret in missing)
        raise InvalidValue(
            f"Task {task.name} asks for the secret {', '.join(s.key for s in missing)}. In local mode secrets come from "
            f"environment variables: set {names}."
        )


def _within(limit: timedelta, body: Any, name: str) -> Any:
    """Run a blocking body, raising at the caller when it takes too long. The body itself cannot be ended."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = body()
        except BaseException as e:  # noqa: BLE001  raised again at the caller
            outcome["error"] = e

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(run), name=f"flyte-{name}", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
    if thread.is_alive():
        _warn_left_over(name, thread)
        raise MaxRuntimeExceededError(f"{name} ran longer than {limit}.")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


async def _in_own_thread(body: Any, seconds: float | None, name: str) -> Any:
    """Run a blocking body in a daemon thread of its own and await it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(value)

    def run() -> None:
        try:
            value, error = context.run(body), None
        except StopIteration as e:
            value, error = None, RuntimeError(f"The task raised StopIteration({e.value!r}).")
        except BaseException as e:  # noqa: BLE001  raised again where the action is awaited
            value, error = None, e
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    thread = threading.Thread(target=run, name=f"flyte-{name}", daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(seconds) as timer:
            return await done
    except TimeoutError as e:
        if timer.expired():
            _warn_left_over(name, thread)
            raise MaxRuntimeExceededError(f"{name} ran longer than {seconds} seconds.") from e
        raise


def _warn_left_over(name: str, thread: threading.Thread) -> None:
    log.warning(
        "%s timed out, and its thread %s still runs: a synchronous function cannot be ended in local mode.",
        name,
        thread.name,
    )
