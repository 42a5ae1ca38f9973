"""The time, and waiting: a parameter of local mode, so that tests need not wait."""

from __future__ import annotations

import time


class Clock:
    """The clock of this machine."""

    def now(self) -> float:
        """Seconds that only grow, for measuring spans."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(seconds)

    async def wait(self, seconds: float) -> None:
        """Wait without blocking the loop."""
        import asyncio  # not at the top: a run without asynchronous tasks does without its 100 modules

        await asyncio.sleep(seconds)


SYSTEM_CLOCK = Clock()
