"""Equal actions one after the other: a lock for each key, for threads and coroutines alike."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future


class Flights:
    """Who flies with which key, and who waits. First come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Future[None]]] = {}

    @contextlib.contextmanager
    def alone(self, key: str) -> Iterator[bool]:
        """Be the only one with this key within the block; gives True when there was somebody to wait for."""
        turn = self._queue_up(key)
        if turn is not None:
            try:
                turn.result()
            except BaseException:
                self._give_up(key, turn)
                raise
        try:
            yield turn is not None
        finally:
            self._hand_on(key)

    @contextlib.asynccontextmanager
    async def alone_async(self, key: str) -> AsyncIterator[bool]:
        """The same without blocking the loop."""
        import asyncio  # not at the top: see clock.py

        turn = self._queue_up(key)
        if turn is not None:
            try:
                await asyncio.wrap_future(turn)
            except BaseException:
                self._give_up(key, turn)
                raise
        try:
            yield turn is not None
        finally:
            self._hand_on(key)

    def _queue_up(self, key: str) -> Future[None] | None:
        from concurrent.futures import Future

        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = deque()
                return None
            turn: Future[None] = Future()
            waiting.append(turn)
            return turn

    def _give_up(self, key: str, turn: Future[None]) -> None:
        """Leave the queue; a turn that came already is handed on."""
        if not turn.cancel() and not turn.cancelled():
            self._hand_on(key)

    def _hand_on(self, key: str) -> None:
        with self._lock:
            waiting = self._waiting[key]
            while waiting:
                turn = waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            del self._waiting[key]


flights = Flights()
"""The flights of this process, over all its runs."""
