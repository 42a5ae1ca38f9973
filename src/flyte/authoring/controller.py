"""The port between a task call and whatever runs it, and the one context variable of a running task.

`runtime` fills the port: in local mode with an engine in this process, in a task process with the client of
the backend that queued it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from flyte.model.context import TaskContext

if TYPE_CHECKING:
    from flyte.authoring.task import TaskTemplate


class Controller(Protocol):
    """Turns the calls of a running task into child actions.

    Both forms bind and check the arguments before anything else happens, give each child the name that
    follows from what it does, and either return the child's value or raise what `errors.from_code` makes of
    its failure. A child that is no longer awaited (its awaiting coroutine was cancelled) is aborted.
    """

    def call(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run a child and block the calling thread until it is done."""
        ...

    async def call_async(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run a child; children awaited together run together."""
        ...

    async def call_deployed(self, task: Any, kwargs: Mapping[str, Any]) -> Any:
        """Run a deployed task (a `flyte.remote.TaskDetails`) as a child.

        Raises:
            RemoteTaskUsageError: This controller has no backend to run it on.
        """
        ...


@dataclass(frozen=True)
class Running:
    """What the context variable holds while a task runs."""

    context: TaskContext
    controller: Controller


_RUNNING: ContextVar[Running | None] = ContextVar("flyte_running", default=None)


def running() -> Running | None:
    """The running task, None outside of one."""
    return _RUNNING.get()


@contextlib.contextmanager
def enter(state: Running) -> Iterator[Running]:
    """Make `state` the running task within the block."""
    token = _RUNNING.set(state)
    try:
        yield state
    finally:
        _RUNNING.reset(token)


@contextlib.contextmanager
def amended(**changes: Any) -> Iterator[None]:
    """Change fields of the running task's context within the block; does nothing outside a task."""
    state = _RUNNING.get()
    if state is None:
        yield
        return
    with enter(replace(state, context=state.context.replace(**changes))):
        yield
