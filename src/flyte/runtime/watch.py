"""Watching the children of one parent: one stream, resumed whenever it ends, told to whoever waits."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from flyte.client.transport import Transport
from flyte.errors import BaseRuntimeError, RpcError, RuntimeSystemError
from flyte.model.ids import ActionRef
from flyte.wire.ids import action_to_pb
from flyte.wire.phases import phase_from_pb
from flyte.wire.services import method

log = logging.getLogger("flyte")

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 5.0
_MOST_FAILURES = 40
"""Answers in a row that say no. A backend that does not answer is waited for: it will be there again."""
_FINAL = frozenset({"not_found", "permission_denied", "unimplemented", "aborted"})
SENTINEL_SECONDS = 5.0


@dataclass
class _Waiter:
    update: Any = None
    futures: list[asyncio.Future[Any]] = field(default_factory=list)


class ChildWatch:
    """The newest state of each child of a parent. Lives on one event loop.

    Args:
        transport: The backend.
        parent: Whose children.
    """

    def __init__(self, transport: Transport, parent: ActionRef) -> None:
        self._transport = transport
        self._parent = parent
        self._children: dict[str, _Waiter] = {}
        self._taken: set[str] = set()
        self._caught_up = asyncio.Event()
        self._failure: BaseRuntimeError | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def caught_up(self) -> None:
        """Wait until everything that is known already was told, but not for long."""
        try:
            async with asyncio.timeout(SENTINEL_SECONDS):
                await self._caught_up.wait()
        except TimeoutError:
            log.warning("the backend did not say that it told everything; going on")

    def known(self, name: str) -> Any | None:
        """The newest update of a child, None when it was never told of."""
        waiter = self._children.get(name)
        return waiter.update if waiter is not None else None

    async def ended(self, name: str) -> Any:
        """The update with which a child ended. It is told once: what was taken is not kept.

        Raises:
            RuntimeSystemError: The backend could not be watched any more.
        """
        if name in self._taken:
            raise RuntimeSystemError("ChildTaken", f"The end of child {name} was told already, and is told once.")
        waiter = self._children.setdefault(name, _Waiter())
        if waiter.update is None or not phase_from_pb(waiter.update.phase).is_terminal:
            if self._failure is not None:
                raise self._failure
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            waiter.futures.append(future)
            await future
        self._taken.add(name)
        self._children.pop(name, None)
        return waiter.update

    async def close(self) -> None:
        """Stop watching, and wait until the stream is closed."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        refusals = waits = 0
        row = method("ActionsService", "WatchForUpdates")
        request = row.request(parent_action_id=action_to_pb(self._parent))
        while True:
            try:
                async for message in self._transport.stream("ActionsService", "WatchForUpdates", request):
                    refusals = waits = 0
                    self._take(message)
            except RpcError as e:
                refusals += e.code != "unavailable"
                if refusals > _MOST_FAILURES or e.code in _FINAL:
                    self._fail(RuntimeSystemError("WatchFailed", f"The children cannot be watched: {e.message}"))
                    return
            except Exception as e:  # noqa: BLE001  the edge of one stream
                # Whatever it is, nobody else would learn of it, and everybody would wait for ever.
                refusals += 1
                log.warning("the stream of the children broke: %s: %s", type(e).__name__, e)
                if refusals > _MOST_FAILURES:
                    self._fail(RuntimeSystemError("WatchFailed", f"The children cannot be watched: {e}"))
                    return
            # The stream ended, by itself or not: the backend was stopped, say. The new one begins with all children.
            await asyncio.sleep(min(_FIRST_WAIT_SECONDS * 2**waits, _LONGEST_WAIT_SECONDS))
            waits = min(waits + 1, 10)

    def _take(self, message: Any) -> None:
        if message.WhichOneof("message") != "action_update":
            self._caught_up.set()
            return
        update = message.action_update
        if update.action_id.name in self._taken:
            return
        waiter = self._children.setdefault(update.action_id.name, _Waiter())
        waiter.update = update
        if phase_from_pb(update.phase).is_terminal:
            for future in waiter.futures:
                if not future.done():
                    future.set_result(None)
            waiter.futures.clear()

    def _fail(self, error: BaseRuntimeError) -> None:
        self._failure = error
        self._caught_up.set()
        for waiter in self._children.values():
            for future in waiter.futures:
                if not future.done():
                    future.set_exception(error)
            waiter.futures.clear()
