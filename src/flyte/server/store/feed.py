"""Wake-ups inside one process: topics, subscribers, coalescing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable


class Listener:
    """See `port.Subscription`."""

    def __init__(self, hub: Hub, topics: tuple[str, ...]) -> None:
        self._hub = hub
        self._topics = topics
        self._woken = asyncio.Event()

    async def wait(self) -> None:
        await self._woken.wait()
        self._woken.clear()

    def wake(self) -> None:
        """Let the next (or the present) wait return."""
        self._woken.set()

    def close(self) -> None:
        self._hub.remove(self, self._topics)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Hub:
    """Who listens to what. Lives on one event loop."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = defaultdict(set)

    def subscribe(self, *topics: str) -> Listener:
        """A new listener to some topics."""
        listener = Listener(self, topics)
        for topic in topics:
            self._listeners[topic].add(listener)
        return listener

    def remove(self, listener: Listener, topics: Iterable[str]) -> None:
        """Forget a listener."""
        for topic in topics:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]

    def publish(self, topics: Iterable[str]) -> None:
        """Wake everyone who listens to one of the topics."""
        for topic in topics:
            for listener in tuple(self._listeners.get(topic, ())):
                listener.wake()
