"""Actions that are awaited, and what they leave behind. The only part of local mode that needs asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from typing import TYPE_CHECKING, Any

from flyte.authoring.controller import Running, enter
from flyte.errors import TaskTimeoutError
from flyte.runtime.local.action import Action, Outcome
from flyte.runtime.local.controller import ends_the_run, warn_left_over
from flyte.runtime.local.flights import flights
from flyte.runtime.local.variables import holder

if TYPE_CHECKING:
    from flyte.runtime.local.controller import LocalController


class Crew:
    """Runs awaited actions, and cancels those that their parent leaves behind."""

    def __init__(self, controller: LocalController) -> None:
        self._controller = controller
        self._clock = controller.clock
        self._at_work: dict[str, asyncio.Task[Any] | None] = {}
        self._children: dict[str, set[asyncio.Task[Any]]] = {}

    async def execute(self, action: Action, parent: str | None) -> Any:
        """Run an action, attempt after attempt, without blocking the loop.

        Args:
            parent: The name of the action that called it; None for the root.
        """
        mine = asyncio.current_task()
        siblings = None
        if parent is not None and mine is not None and self._at_work.get(parent) is not mine:
            siblings = self._children.setdefault(parent, set())
            siblings.add(mine)
        try:
            if not action.is_serialized:
                return await self._attempts(action)
            assert action.result_key is not None
            async with flights.alone_async(action.result_key) as has_waited:
                return await self._attempts(action, has_waited=has_waited)
        except Exception:
            raise
        except BaseException:
            action.aborted()
            raise
        finally:
            if siblings is not None and mine is not None:
                siblings.discard(mine)

    async def _attempts(self, action: Action, *, has_waited: bool = False) -> Any:
        if action.look_up(has_waited=has_waited):
            return action.value
        while True:
            action.start()
            try:
                outcome = await self._attempt(action)
            finally:
                await self._end_children(action.name)
            delay = action.settle(outcome)
            if delay is None:
                return action.value
            await self._clock.wait(delay)

    async def _attempt(self, action: Action) -> Outcome:
        bound = action.bound()
        seconds, late = bound if bound is not None else (None, None)
        if action.task._call_as_synchronous:
            self._at_work[action.name] = None
            return await _in_own_thread(self._controller, action, seconds, late)
        mine = self._at_work[action.name] = asyncio.current_task()
        with holder.hold(action.variables), enter(Running(action.context, self._controller)):
            try:
                async with asyncio.timeout(seconds) as timer:
                    result = action.task.forward(**action.arguments())
                    outcome = Outcome(await result if inspect.isawaitable(result) else result)
            except BaseException as e:
                is_cancelled = isinstance(e, asyncio.CancelledError) and mine is not None and mine.cancelling() > 0
                if is_cancelled or ends_the_run(e):
                    raise
                outcome = Outcome(error=e)
        if late is not None and timer.expired():
            return Outcome(error=late, is_late=True)
        return outcome

    async def _end_children(self, name: str) -> None:
        """Cancel what an action started and does not await any more: nobody would see its result."""
        self._at_work.pop(name, None)
        left = self._children.pop(name, None)
        if not left:
            return
        mine, loop = asyncio.current_task(), asyncio.get_running_loop()
        here = [child for child in left if child.get_loop() is loop and child is not mine]
        for child in here:
            child.cancel()
        for child in left.difference(here) - {mine}:
            child.get_loop().call_soon_threadsafe(child.cancel)
        if here:
            await asyncio.wait(here)


async def _in_own_thread(
    controller: LocalController, action: Action, seconds: float | None, late: TaskTimeoutError | None
) -> Outcome:
    """Run an attempt of a synchronous task in a daemon thread of its own and await it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Outcome] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: Outcome | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        elif outcome is not None:
            done.set_result(outcome)

    def run() -> None:
        outcome, error = None, None
        try:
            outcome = context.run(controller.body, action)
        except BaseException as e:  # noqa: BLE001  raised again where the action is awaited
            error = e
        try:
            loop.call_soon_threadsafe(settle, outcome, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    thread = threading.Thread(target=run, name=f"flyte-{action.task.name}", daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(seconds) as timer:
            return await done
    except TimeoutError:
        if late is None or not timer.expired():
            raise
        warn_left_over(action.task.name, thread, "timed out")
        return Outcome(error=late, is_late=True)
    except asyncio.CancelledError:
        warn_left_over(action.task.name, thread, "was cancelled")
        raise
