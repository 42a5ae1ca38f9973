"""The control plane's side of the process executor: a unix socket that the supervisor connects to."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import pathlib
import stat
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from flyte.errors import BackendError
from flyte.server.executors.port import AttemptKey, Connected, ExecutorEvent, Launch, LogGrew
from flyte.server.executors.process.journal import folder_name
from flyte.server.executors.process.keeper import Keeper
from flyte.server.executors.process.mapping import (
    ended_from_pb,
    key_from_pb,
    key_to_pb,
    launch_to_pb,
    started_from_pb,
)
from flyte.server.executors.process.output import PIPE
from flyte.server.executors.process.processes import by_attempt, end_process
from flyte.server.executors.process.starting import SupervisorProcess
from flyte.server.version import VERSION
from flyte.wire.gen.flyte.backend.v1 import worker_pb2
from flyte.wire.worker import Channel

log = logging.getLogger("flyte.server.executor")

_LONGEST_SOCKET_PATH = 100
_ARRIVAL_SECONDS = 10.0
"""How long a supervisor that is on its way is waited for when everything is to end."""
_PARTING_SECONDS, _LAST_BREATH_SECONDS, _POLL_SECONDS = 2.0, 0.5, 0.1


def socket_path(data: pathlib.Path) -> pathlib.Path:
    """Where the socket is: in the data folder, or in a short private folder where its path would be too long."""
    path = data / "supervisor.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    folder = pathlib.Path(tempfile.gettempdir()) / f"flyte-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise BackendError(f"{folder} is not a private folder of yours: remove it, or set TMPDIR to one of your own.")
    return folder / "supervisor.sock"


class ProcessExecutor:
    """See `Executor`.

    Args:
        data: The data folder.
        python: What runs tasks whose image names no interpreter.
        slots: How many leaf attempts run at once.
    """

    name = "process"

    def __init__(self, data: pathlib.Path, python: str, slots: int) -> None:
        self._data = data
        self._python = python
        self._slots = slots
        self._address = socket_path(data)
        self._events: asyncio.Queue[ExecutorEvent] = asyncio.Queue()
        self._channel: Channel[worker_pb2.FromSupervisor] | None = None
        self._server: asyncio.Server | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._process = SupervisorProcess(data, self._address)
        self._keeper = Keeper(self._process, self._ping)
        self._changed = asyncio.Event()
        self._pipes: dict[AttemptKey, int] = {}
        self._is_closing = False

    async def open(self) -> None:
        """Listen, wake the supervisor, and start one if none lives."""
        with contextlib.suppress(FileNotFoundError):
            self._address.unlink()
        self._server = await asyncio.start_unix_server(self._connected, self._address)
        self._address.chmod(0o600)
        self._process.wake()
        self._keeping = asyncio.get_running_loop().create_task(self._keep_supervisor())

    async def _keep_supervisor(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            wait = self._keeper.look(loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def _ping(self) -> None:
        self._send(worker_pb2.ToSupervisor(ping=worker_pb2.Ping()))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, worker_pb2.FromSupervisor)
        try:
            async for message in channel.messages():
                self._keeper.spoke()
                self._take(message, channel)
        except OSError as e:
            log.warning("the connection to the supervisor broke: %s", e)
        finally:
            if self._channel is channel:
                self._channel = None
                self._keeper.left()
            self._changed.set()
            channel.close()

    def _take(self, message: worker_pb2.FromSupervisor, channel: Channel[worker_pb2.FromSupervisor]) -> None:
        match message.WhichOneof("message"):
            case "hello":
                self._welcome(message.hello, channel)
            case "started":
                started = started_from_pb(message.started)
                self._hold_pipe(started.key)
                self._events.put_nowait(started)
            case "ended":
                self._events.put_nowait(ended_from_pb(message.ended))
            case "log_grew":
                self._events.put_nowait(LogGrew(key_from_pb(message.log_grew.attempt), message.log_grew.size))

    def _welcome(self, hello: worker_pb2.Hello, channel: Channel[worker_pb2.FromSupervisor]) -> None:
        if hello.version != VERSION:
            log.warning(
                "supervisor %d has version %s, this is %s: it is replaced. If this is said again, flyte was upgraded "
                "below the running backend: restart it.",
                hello.pid,
                hello.version,
                VERSION,
            )
            channel.send(worker_pb2.ToSupervisor(shutdown=worker_pb2.Shutdown(keep_tasks=True)))
            return
        channel.send(worker_pb2.ToSupervisor(welcome=worker_pb2.Welcome(version=VERSION)))
        self._channel = channel
        self._keeper.arrived(asyncio.get_running_loop().time())
        self._changed.set()
        known = tuple(key_from_pb(known) for known in hello.known)
        for key in self._pipes.keys() - set(known):
            self._let_go_of_pipe(key)
        self._events.put_nowait(Connected(known))

    def _hold_pipe(self, key: AttemptKey) -> None:
        """Keep what a task has printed, should its supervisor be killed and the task end before there is another."""
        if key not in self._pipes:
            with contextlib.suppress(OSError):
                pipe = self._data / "attempts" / folder_name(key) / PIPE
                self._pipes[key] = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def _let_go_of_pipe(self, key: AttemptKey) -> None:
        pipe = self._pipes.pop(key, None)
        if pipe is not None:
            os.close(pipe)

    def free(self, busy: int) -> int:
        return 0 if self._channel is None or self._is_closing else max(0, self._slots - busy)

    def _send(self, message: worker_pb2.ToSupervisor) -> None:
        # Without a connection nothing is lost: on `Connected` the dispatcher compares notes and sends it again.
        if self._channel is not None:
            self._channel.send(message)

    async def start(self, launch: Launch) -> None:
        if not self._is_closing:
            complete = replace(launch, interpreter=launch.interpreter or self._python)
            self._send(worker_pb2.ToSupervisor(start=launch_to_pb(complete)))

    async def stop(self, key: AttemptKey, reason: str, grace_seconds: float) -> None:
        stop = worker_pb2.Stop(attempt=key_to_pb(key), reason=reason, grace_seconds=grace_seconds)
        self._send(worker_pb2.ToSupervisor(stop=stop))

    async def acknowledge(self, key: AttemptKey) -> None:
        self._let_go_of_pipe(key)
        acknowledge = worker_pb2.Acknowledge(attempt=key_to_pb(key))
        self._send(worker_pb2.ToSupervisor(acknowledge=acknowledge))

    async def events(self) -> AsyncIterator[ExecutorEvent]:
        while True:
            yield await self._events.get()

    async def close(self, *, keep_tasks: bool, grace_seconds: float) -> None:
        self._is_closing = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if not keep_tasks:
            await self._end_everything(grace_seconds)
        if self._channel is not None:
            self._channel.close()
        if self._server is not None:
            self._server.close()
        for key in list(self._pipes):
            self._let_go_of_pipe(key)
        self._process.release()

    async def _end_everything(self, grace_seconds: float) -> None:
        """Let the supervisor end everything, tell so, and go; one that hangs or is gone gets a successor for that."""
        if await self._end_by_supervisor(grace_seconds):
            return
        try:
            self._process.start()
        except OSError as e:
            log.error("no supervisor can be started to end the tasks: %s", e)
        else:
            if await self._end_by_supervisor(grace_seconds):
                return
        for pid in self._task_processes():
            log.warning("process %d of a task is killed: no supervisor answers that would end it", pid)
            end_process(pid)

    async def _end_by_supervisor(self, grace_seconds: float) -> bool:
        """True when nothing of any task lives any more."""
        if not await self._within(_ARRIVAL_SECONDS, lambda: self._channel is not None or not self._is_expected()):
            log.error("supervisor %s does not come: it hangs, and is killed", self._process.pid())
            self._process.kill()
        elif self._channel is not None:
            self._send(worker_pb2.ToSupervisor(shutdown=worker_pb2.Shutdown(grace_seconds=grace_seconds)))
            if not await self._within(grace_seconds + 5, lambda: self._channel is None):
                log.error("supervisor %s does not answer: it hangs, and is killed", self._process.pid())
                self._process.kill()
        if await self._within(_LAST_BREATH_SECONDS, lambda: not self._task_processes()):
            return True
        # The connection of one that was killed may still look alive.
        await self._within(_PARTING_SECONDS, lambda: self._channel is None and not self._is_expected())
        return False

    def _task_processes(self) -> list[int]:
        attempts = self._data / "attempts"
        return [pid for pid, folder in by_attempt() if pathlib.Path(folder).parent == attempts]

    async def _within(self, seconds: float, holds: Callable[[], bool]) -> bool:
        """Wait for something that a connection, or the end of a process, brings about; False when it did not come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not holds():
            if loop.time() > deadline:
                return False
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._changed.wait()
        return True

    def _is_expected(self) -> bool:
        try:
            return self._process.is_expected()
        except OSError:
            return False
