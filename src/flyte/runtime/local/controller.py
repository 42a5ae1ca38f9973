"""The controller of local mode: a call inside a task becomes an action of this process.

User code runs where the caller is: a synchronous child of a synchronous task in the same thread, so that
`breakpoint()` works; an asynchronous child on the caller's loop; a synchronous child that is awaited in a thread
of its own, so that children awaited together run together.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flyte.authoring.controller import Running, enter, running
from flyte.authoring.task import TaskTemplate
from flyte.errors import RemoteTaskUsageError, TaskTimeoutError
from flyte.model.context import TaskContext
from flyte.runtime.invocation import bound_arguments
from flyte.runtime.local.action import ROOT, Action, LocalRunInfo, Outcome
from flyte.runtime.local.flights import flights
from flyte.runtime.local.variables import holder

if TYPE_CHECKING:
    from flyte.runtime.local.awaiting import Crew

log = logging.getLogger("flyte")


class LocalController:
    """See `authoring.controller.Controller`."""

    def __init__(self, run: LocalRunInfo) -> None:
        self._run = run
        self._has_told = False
        self._crew: Crew | None = None
        self.clock = run.clock

    # The port.

    def call(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return self._execute(self._action(task, bound_arguments(task, args, kwargs), _caller()))

    async def call_async(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        caller = _caller()
        action = self._action(task, bound_arguments(task, args, kwargs), caller)
        return await self.crew.execute(action, caller.action.name)

    async def call_deployed(self, task: Any, kwargs: Mapping[str, Any]) -> Any:
        raise RemoteTaskUsageError(
            f"Deployed task {task.name} runs on a backend, and this run is local. "
            "Call the task itself, or run remotely."
        )

    # The root.

    def run_root(self, task: TaskTemplate[..., Any], bound: Mapping[str, Any], outside: TaskContext) -> Any:
        """Run the root action of a synchronous task in this thread."""
        return self._execute(self._action(task, bound, outside, ROOT))

    async def run_root_async(self, task: TaskTemplate[..., Any], bound: Mapping[str, Any], outside: TaskContext) -> Any:
        """Run the root action of any task on this loop."""
        return await self.crew.execute(self._action(task, bound, outside, ROOT), None)

    @property
    def crew(self) -> Crew:
        """Who runs what is awaited."""
        if self._crew is None:
            from flyte.runtime.local.awaiting import Crew  # asyncio, which a run of synchronous tasks does without

            self._crew = Crew(self)
        return self._crew

    def _action(
        self, task: TaskTemplate[..., Any], bound: Mapping[str, Any], parent: TaskContext, name: str | None = None
    ) -> Action:
        if not self._has_told and log.isEnabledFor(logging.INFO):
            self._tell_what_is_ignored(task)
        return Action(self._run, task, bound, parent, name)

    def _tell_what_is_ignored(self, task: TaskTemplate[..., Any]) -> None:
        ignored = {
            "image": task.image not in (None, "auto"),
            "resources": task.resources is not None,
            "reusable": task.reusable is not None,
            "pod_template": task.pod_template is not None,
            "queue": task.queue is not None,
            "service_account": task.service_account is not None,
        }
        names = [name for name, is_set in ignored.items() if is_set]
        if names:
            self._has_told = True
            log.info(
                "Local mode runs tasks in this process and ignores what they ask for: %s of task %s, say.",
                ", ".join(names), task.name,
            )  # fmt: skip

    # Actions that block their caller.

    def _execute(self, action: Action) -> Any:
        try:
            if not action.is_serialized:
                return self._attempts(action)
            assert action.result_key is not None
            with flights.alone(action.result_key) as has_waited:
                return self._attempts(action, has_waited=has_waited)
        except Exception:
            raise
        except BaseException:
            action.aborted()
            raise

    def _attempts(self, action: Action, *, has_waited: bool = False) -> Any:
        if action.look_up(has_waited=has_waited):
            return action.value
        while True:
            action.start()
            bound = action.bound()
            if bound is None:
                outcome = self.body(action)
            else:
                outcome = _within(*bound, lambda: self.body(action), action.task.name)
            delay = action.settle(outcome)
            if delay is None:
                return action.value
            self._run.clock.sleep(delay)

    def body(self, action: Action) -> Outcome:
        """Run an attempt of a synchronous task in this thread.

        Raises:
            KeyboardInterrupt: The user wants the run to end; so does one who quits the debugger.
        """
        with holder.hold(action.variables, is_blocking=True), enter(Running(action.context, self)):
            try:
                result = action.task.forward(**action.arguments())
                return Outcome(_awaited(result) if inspect.isawaitable(result) else result)
            except BaseException as e:
                if ends_the_run(e):
                    raise
                return Outcome(error=e)


def _caller() -> TaskContext:
    state = running()
    assert state is not None
    return state.context


def ends_the_run(error: BaseException) -> bool:
    """True for what is no failure of a task: Ctrl-C, and quitting the debugger."""
    bdb = sys.modules.get("bdb")
    return isinstance(error, KeyboardInterrupt | GeneratorExit) or (bdb is not None and isinstance(error, bdb.BdbQuit))


def _awaited(result: Any) -> Any:
    import asyncio  # a synchronous function that returns a coroutine is rare

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())


def _within(seconds: float, late: TaskTimeoutError, body: Callable[[], Outcome], name: str) -> Outcome:
    """Run a blocking body, giving up when it takes too long. The body itself cannot be ended."""
    found: list[Outcome | BaseException] = []

    def run() -> None:
        try:
            found.append(body())
        except BaseException as e:  # noqa: BLE001  raised again at the caller
            found.append(e)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name=f"flyte-{name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        warn_left_over(name, thread, "timed out")
        return Outcome(error=late, is_late=True)
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def warn_left_over(name: str, thread: threading.Thread, what: str) -> None:
    """Say that a thread goes on although nobody waits for it."""
    log.warning(
        "%s %s, and its thread %s still runs: a synchronous function cannot be ended in local mode.",
        name, what, thread.name,
    )  # fmt: skip
