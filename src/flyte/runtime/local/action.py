"""One action of a local run on its way through the rules of `lifecycle`.

It converts, names, records, keeps and retries; who runs the function, and where, is for `controller` and `awaiting`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flyte.authoring.task import TaskTemplate
from flyte.errors import (
    NEVER_RETRIED,
    DeadlineExceededError,
    InvalidType,
    InvalidValue,
    MaxRuntimeExceededError,
    RuntimeDataValidationError,
    StorageError,
    SyncTaskCallInAsyncContextError,
    TaskTimeoutError,
)
from flyte.lifecycle.machine import (
    AbortRequested,
    ActionState,
    Failed,
    Failure,
    Leased,
    QueueAttempt,
    RetryBudget,
    Started,
    Succeeded,
    decide,
)
from flyte.model.cache import as_cache
from flyte.model.context import ActionID, RawDataPath, TaskContext
from flyte.model.naming import CallCounter, child_name
from flyte.model.outcome import as_return_value, returned_values
from flyte.model.phase import ActionPhase
from flyte.model.retry import Backoff, as_retry_strategy
from flyte.model.secret import as_secrets
from flyte.model.timeout import as_timeout
from flyte.runtime.invocation import as_parent_sees, refuse_pending_result, without_our_frames
from flyte.runtime.local.clock import SYSTEM_CLOCK, Clock
from flyte.runtime.local.record import ErrorText, Recorder
from flyte.runtime.local.results import ResultCache
from flyte.runtime.local.values import Copied, copied
from flyte.types.transformer import Conversion, TypeTransformerFailedError

log = logging.getLogger("flyte")

ROOT = "a0"
"""The name of a run's root action, as on a backend."""

_DEFAULT_BACKOFF = Backoff(timedelta(seconds=0.5), 2.0, timedelta(seconds=60))


@dataclass(frozen=True)
class LocalRunInfo:
    """What all actions of one local run share.

    Args:
        folder: Where its data goes.
        results: None where results are neither used nor kept.
        lock: Held while a call is counted: children may be called from several threads.
    """

    name: str
    project: str | None
    domain: str | None
    folder: str
    env_vars: dict[str, str]
    overwrite_cache: bool
    recorder: Recorder
    results: ResultCache | None
    clock: Clock = SYSTEM_CLOCK
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: with a value, or with what was raised."""

    value: Any = None
    error: BaseException | None = None
    is_late: bool = False
    """The error is that a bound of the task was hit."""


class Action:
    """One action.

    Args:
        parent: The context it is called in.
        name: Its name; by default the one that follows from the call.

    Raises:
        InvalidType: An input is not of its type.
        InvalidValue: A secret is not there, or the cache version cannot be told.
    """

    def __init__(
        self,
        run: LocalRunInfo,
        task: TaskTemplate[..., Any],
        bound: Mapping[str, Any],
        parent: TaskContext,
        name: str | None = None,
    ) -> None:
        self.task = task
        self._run = run
        self._parent = parent
        group = parent.group_data.name if parent.group_data is not None else None
        self.name = name or self._name_of_call(group)
        _check_secrets(task)
        self.variables = {**(task.env_vars or {}), **run.env_vars}
        self._conversion = Conversion(RawDataPath(path=f"{run.folder}/{self.name}"))
        self._inputs = self._converted(bound)
        self._cache = as_cache(task.cache)
        self._version = task.cache_version() if self._cache.is_enabled() else ""
        timeout = as_timeout(task.timeout)
        self._max_runtime, self._deadline = timeout.bound("max_runtime"), timeout.bound("deadline")
        self._created_at = run.clock.now()
        strategy = as_retry_strategy(task.retries)
        budget = RetryBudget(user=strategy.count, system=0, backoff=strategy.backoff or _DEFAULT_BACKOFF)
        self._state = ActionState(budget=budget)
        self._key: str | None = None
        self.value: Any = None
        caller = "" if name == ROOT else parent.action.name
        self._record = run.recorder.begin(self.name, caller, task.name, group or "", self._inputs)

    def _name_of_call(self, group: str | None) -> str:
        parent = self._parent
        with self._run.lock:
            sequence = parent._call_counter.next(f"{self.task.name}:{group}")
        return child_name(parent.action.name, "", self.task.name, sequence, group)

    def _converted(self, bound: Mapping[str, Any]) -> dict[str, Copied]:
        values = {}
        for name, value in self.task.interface.with_defaults(bound).items():
            try:
                values[name] = copied(value, self.task.interface.inputs[name][0], self._conversion)
            except TypeTransformerFailedError as e:
                raise InvalidType(
                    f"Type conversion failed for variable {name!r} of task {self.task.name}. {e.message}",
                    code="DataValidationError",
                ) from None
        return values

    def arguments(self) -> dict[str, Any]:
        """What the function is called with: its own in each attempt, whatever the one before did to them."""
        again = self._state.attempt > 1
        return {name: copy.given(self._conversion, again=again) for name, copy in self._inputs.items()}

    # Results of earlier runs.

    @property
    def result_key(self) -> str | None:
        """The key that the result is kept under; None for a task without a cache."""
        if self._run.results is None or not self._cache.is_enabled():
            return None
        if self._key is None:
            from flyte.runtime.local.messages import result_key  # protobuf, which most runs do without

            ignored = self._cache.get_ignored_inputs()
            self._key = result_key(self.task, self._version, ignored, self._inputs, self._conversion)
        return self._key

    @property
    def is_serialized(self) -> bool:
        """True when equal actions wait for each other."""
        return self._cache.serialize and self.result_key is not None

    def look_up(self, *, has_waited: bool = False) -> bool:
        """Take a kept result, if there is one.

        Args:
            has_waited: An equal action has just ended: its result counts as new even where kept ones are not used.
        """
        key, results = self.result_key, self._run.results
        if key is None or results is None or (self._run.overwrite_cache and not has_waited):
            return False
        max_age = self._cache.max_age
        assert not isinstance(max_age, int)
        data = results.get(key, max_age)
        if data is None:
            return False
        return self._take(data)

    def _take(self, data: bytes) -> bool:
        from flyte.runtime.local.messages import read_outputs

        interface = self.task.interface
        try:
            values = read_outputs(data, interface)
        except (RuntimeDataValidationError, StorageError) as e:
            log.warning("A kept result of %s cannot be read, so it is made anew: %s", self.task.name, e)
            return False
        named = zip(interface.outputs.items(), values, strict=True)
        outputs = {name: Copied(value, declared) for (name, declared), value in named}
        self.value = as_return_value(interface, values)
        self._record.ended(ActionPhase.SUCCEEDED, outputs, from_cache=True)
        return True

    def _keep(self, outputs: Mapping[str, Copied]) -> None:
        key, results = self.result_key, self._run.results
        if key is None or results is None:
            return
        from flyte.runtime.local.messages import outputs_message

        data = outputs_message(outputs, self._conversion).SerializeToString(deterministic=True)
        results.put(key, self.task.name, self._version, data)

    # Attempts.

    def start(self) -> None:
        """An attempt begins."""
        self._state = decide(self._state, Leased()).state
        self._state = decide(self._state, Started(self._state.epoch)).state
        self.context = self._new_context()
        self._record.started(self._state.attempt)

    def _new_context(self) -> TaskContext:
        run = self._run
        return self._parent.replace(
            action=ActionID(name=self.name, run_name=run.name, project=run.project, domain=run.domain),
            task_action=None,
            version=self._version,
            raw_data_path=self._conversion.raw_data,
            output_path=f"{run.folder}/{self.name}/{self._state.attempt}",
            run_base_dir=run.folder,
            group_data=None,
            attempt=self._state.attempt - 1,
            _call_counter=CallCounter(),
        )

    def bound(self) -> tuple[float, TaskTimeoutError] | None:
        """How many seconds the attempt may take, and what it has failed of when it took them."""
        bounds: list[tuple[float, TaskTimeoutError]] = []
        if self._max_runtime is not None:
            text = f"{self.task.name} ran longer than {_spelled(self._max_runtime)}."
            bounds.append((self._max_runtime.total_seconds(), MaxRuntimeExceededError(text)))
        if self._deadline is not None:
            bounds.append((max(self._seconds_left(), 0.0), self._late()))
        return min(bounds, key=lambda bound: bound[0]) if bounds else None

    def _seconds_left(self) -> float:
        assert self._deadline is not None
        return self._created_at + self._deadline.total_seconds() - self._run.clock.now()

    def _late(self) -> DeadlineExceededError:
        assert self._deadline is not None
        return DeadlineExceededError(f"{self.task.name} was not done within {_spelled(self._deadline)}.")

    def settle(self, outcome: Outcome) -> float | None:
        """The attempt is over: None when the action succeeded, else how many seconds to wait before the next.

        Raises:
            BaseRuntimeError: There is no next attempt. This is what the parent sees.
        """
        if outcome.error is not None:
            return self._failed(outcome.error, is_late=outcome.is_late)
        try:
            outputs = self._returned(outcome.value)
        except (RuntimeDataValidationError, SyncTaskCallInAsyncContextError) as e:
            return self._failed(e)
        self.value = as_return_value(
            self.task.interface, tuple(copy.given(self._conversion) for copy in outputs.values())
        )
        self._state = decide(self._state, Succeeded(self._state.epoch)).state
        self._keep(outputs)
        self._record.ended(ActionPhase.SUCCEEDED, outputs)
        return None

    def _returned(self, result: Any) -> dict[str, Copied]:
        interface, outputs = self.task.interface, {}
        refuse_pending_result(result, self.task.name)
        for name, value in returned_values(interface, result, self.task.name).items():
            try:
                outputs[name] = copied(value, interface.outputs[name], self._conversion)
            except TypeTransformerFailedError as e:
                raise RuntimeDataValidationError(name, e, self.task.name) from None
        return outputs

    def _failed(self, error: BaseException, *, is_late: bool = False) -> float:
        error.__traceback__ = without_our_frames(error.__traceback__)
        seen = error if is_late and isinstance(error, TaskTimeoutError) else as_parent_sees(error)
        is_final = isinstance(error, NEVER_RETRIED) or (is_late and isinstance(error, DeadlineExceededError))
        failure = Failure(seen.code, seen.message, "user", recoverable=not is_final)
        decision = decide(self._state, Failed(self._state.epoch, failure))
        self._state = decision.state
        if decision.state.phase is ActionPhase.QUEUED:
            queued = decision.commands[-1]
            assert isinstance(queued, QueueAttempt)
            delay = queued.delay.total_seconds()
            if self._deadline is None or delay < self._seconds_left():
                log.warning("%s: %s: %s; trying again", self.task.name, seen.code, seen.message)
                self._record.retried(ErrorText(seen.code, seen.message), decision.reason)
                return delay
            seen, is_late = self._late(), True
        phase = ActionPhase.TIMED_OUT if is_late else ActionPhase.FAILED
        self._record.ended(phase, None, ErrorText(seen.code, seen.message))
        if seen is error:
            raise seen
        raise seen from error

    def aborted(self) -> None:
        """Nobody awaits the action any more."""
        self._state = decide(self._state, AbortRequested("nobody awaits it any more")).state
        self._record.ended(ActionPhase.ABORTED)


def _spelled(span: timedelta) -> str:
    return f"{span.total_seconds():g} seconds"


def _check_secrets(task: TaskTemplate[..., Any]) -> None:
    """In local mode secrets come from the environment, and a missing one is an error, never an empty value."""
    if not task.secrets:
        return
    missing = [secret for secret in as_secrets(task.secrets) if secret.env_var not in os.environ]
    if missing:
        names = ", ".join(secret.env_var for secret in missing)
        raise InvalidValue(
            f"Task {task.name} asks for the secret {', '.join(s.key for s in missing)}. In local mode secrets come "
            f"from environment variables: set {names}."
        )
