"""An executor in use by a test: the process executor with a real supervisor, and all that it says."""

from __future__ import annotations

import asyncio
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

from flyte.server.executors.port import (
    AttemptEnded,
    AttemptKey,
    Connected,
    ExecutorEvent,
    Launch,
)
from flyte.server.executors.process.executor import ProcessExecutor
from flyte.server.executors.process.logfile import LogRecord, decode_record
from flyte.server.executors.process.processes import start_time
from flyte.server.logs import log_path

DEADLINE = 30.0
SLEEP = "import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {SLEEP}"


def key(action: str = "a0", attempt: int = 1, epoch: int = 1) -> AttemptKey:
    return AttemptKey("p", "development", "r1", action, attempt, epoch)


class Used:
    """An executor in use: everything it says is kept, and can be waited for."""

    def __init__(self, data: pathlib.Path) -> None:
        self.data = data
        self.executor = ProcessExecutor(data, sys.executable, 4)
        self.events: list[ExecutorEvent] = []
        self._news = asyncio.Event()

    async def open(self) -> Used:
        await self.executor.open()
        self._listener = asyncio.get_running_loop().create_task(self._listen())
        await self.until(lambda: self.of(Connected))
        return self

    async def _listen(self) -> None:
        async for event in self.executor.events():
            self.events.append(event)
            self._news.set()

    def of(self, kind: type[Any], of_key: AttemptKey | None = None) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind) and (of_key is None or e.key == of_key)]

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds that an event brings about."""
        async with asyncio.timeout(DEADLINE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def ended(self, of_key: AttemptKey) -> AttemptEnded:
        await self.until(lambda: self.of(AttemptEnded, of_key))
        return self.of(AttemptEnded, of_key)[0]

    async def start(self, code: str, of_key: AttemptKey | None = None, **changes: Any) -> AttemptKey:
        launch = Launch(
            key=of_key or key(),
            argv=(sys.executable, "-c", code),
            env=changes.pop("env", {}),
            output_prefix=str(self.data / "out" / (of_key or key()).action),
            expects_outputs=changes.pop("expects_outputs", False),
            token="secret-token",
            interpreter="",
        )
        await self.executor.start(launch)
        return launch.key

    def log(self, of_key: AttemptKey) -> list[LogRecord]:
        lines = log_path(self.data, of_key).read_bytes().splitlines(keepends=True)
        return [record for line in lines if (record := decode_record(line)) is not None]

    def text(self, of_key: AttemptKey) -> list[str]:
        return [record.text for record in self.log(of_key) if record.origin == "U"]

    async def first_line(self, of_key: AttemptKey) -> str:
        """The first line that an attempt's program printed, once it is in its log."""
        await eventually(
            lambda: log_path(self.data, of_key).exists() and self.text(of_key), f"a line of {of_key.action}"
        )
        return self.text(of_key)[0]

    def supervisor(self) -> int:
        return int((self.data / "supervisor.lock").read_text())

    async def close(self, *, keep_tasks: bool = False, grace: float = 2.0) -> None:
        await self.executor.close(keep_tasks=keep_tasks, grace_seconds=grace)
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)


async def eventually(holds: Callable[[], Any], what: str) -> None:
    """Wait for something that the outside world brings about."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        await asyncio.sleep(0.02)


def is_gone(pid: int) -> bool:
    return start_time(pid) is None


async def acknowledge_all(used: Used) -> None:
    for event in used.of(AttemptEnded):
        await used.executor.acknowledge(event.key)
