"""The control plane's side of the process executor: a unix socket that the supervisor connects to."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import pathlib
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace

from flyte.errors import BackendError
from flyte.server.executors.port import AttemptKey, Connected, ExecutorEvent, Launch, LogGrew
from flyte.server.executors.process.journal import folder_name
from flyte.server.executors.process.mapping import (
    ended_from_pb,
    key_from_pb,
    key_to_pb,
    launch_to_pb,
    started_from_pb,
)
from flyte.server.executors.process.output import PIPE
from flyte.server.version import VERSION
from flyte.wire.gen.flyte.backend.v1 import worker_pb2
from flyte.wire.worker import Channel

log = logging.getLogger("flyte.server.executor")

_LONGEST_SOCKET_PATH = 100
_LOOK_SECONDS = 1.0
_ARRIVAL_SECONDS = 10.0


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
        self._keeper: asyncio.Task[None] | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._changed = asyncio.Event()
        self._pipes: dict[AttemptKey, int] = {}
        self._is_closing = False

    async def open(self) -> None:
        """Listen, wake the supervisor, and start one if none lives."""
        with contextlib.suppress(FileNotFoundError):
            self._address.unlink()
        self._server = await asyncio.start_unix_server(self._connected, self._address)
        self._address.chmod(0o600)
        self._wake_supervisor()
        self._keeper = asyncio.get_running_loop().create_task(self._keep_supervisor())

    async def _keep_supervisor(self) -> None:
        """A supervisor that died is replaced; its successor adopts what lives."""
        while True:
            self._changed.clear()
            if self._channel is None and not self._is_expected():
                self._spawn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS if self._channel is None else None):
                    await self._changed.wait()

    def _supervisor_lives(self) -> bool:
        descriptor = os.open(self._data / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _wake_supervisor(self) -> None:
        """Tell one that waits for a control plane that there is one again."""
        if self._supervisor_lives():
            with contextlib.suppress(OSError, ValueError):
                # Whoever holds the lock wrote its number there, so it is nobody else's.
                os.kill(int((self._data / "supervisor.lock").read_text()), signal.SIGHUP)

    def _spawn(self) -> None:
        argv = [
            sys.executable, "-m", "flyte.server.executors.process.supervisor",
            "--data", str(self._data), "--socket", str(self._address),
        ]  # fmt: skip
        with (self._data / "supervisor.log").open("ab") as output:
            self._supervisor = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._data,
            )
        log.info("started supervisor %d", self._supervisor.pid)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, worker_pb2.FromSupervisor)
        try:
            async for message in channel.messages():
                self._take(message, channel)
        except OSError as e:
            log.warning("the connection to the supervisor broke: %s", e)
        finally:
            if self._channel is channel:
                self._channel = None
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
            log.warning("supervisor %d has version %s, this is %s: it is replaced", hello.pid, hello.version, VERSION)
            channel.send(worker_pb2.ToSupervisor(shutdown=worker_pb2.Shutdown(keep_tasks=True)))
            return
        channel.send(worker_pb2.ToSupervisor(welcome=worker_pb2.Welcome(version=VERSION)))
        self._channel = channel
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
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if not keep_tasks:
            await self._end_supervisor(grace_seconds)
        if self._channel is not None:
            self._channel.close()
        if self._server is not None:
            self._server.close()
        for key in list(self._pipes):
            self._let_go_of_pipe(key)
        if self._supervisor is not None and self._supervisor.poll() is None:
            self._supervisor.returncode = 0  # it outlives this process, which does not wait for it

    async def _end_supervisor(self, grace_seconds: float) -> None:
        """Let the supervisor end everything, tell so, and go; one that is on its way here is waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ARRIVAL_SECONDS):
                while self._channel is None and self._is_expected():
                    self._changed.clear()
                    await self._changed.wait()
        self._send(worker_pb2.ToSupervisor(shutdown=worker_pb2.Shutdown(grace_seconds=grace_seconds)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds + 5):
                while self._channel is not None:
                    self._changed.clear()
                    await self._changed.wait()

    def _is_expected(self) -> bool:
        """Whether a supervisor lives, or is on its way to the lock that says so."""
        return (self._supervisor is not None and self._supervisor.poll() is None) or self._supervisor_lives()
