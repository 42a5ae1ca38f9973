"""The control plane's side of the process executor: a unix socket that the supervisor connects to."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator

from flyte.errors import BackendError
from flyte.server.executors.port import AttemptKey, Connected, ExecutorEvent, Launch, LogGrew
from flyte.server.executors.process.mapping import (
    ended_from_pb,
    key_from_pb,
    key_to_pb,
    launch_to_pb,
    started_from_pb,
)
from flyte.server.version import VERSION
from flyte.wire.gen.flyte.backend.v1 import worker_pb2
from flyte.wire.worker import Channel

log = logging.getLogger("flyte.server.executor")

_LONGEST_SOCKET_PATH = 100
_LOOK_SECONDS = 1.0


def socket_path(data: pathlib.Path) -> pathlib.Path:
    """Where the socket is: in the data folder, or in a short private folder where its path would be too long."""
    path = data / "supervisor.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    folder = pathlib.Path(tempfile.gettempdir()) / f"flyte-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise BackendError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own.")
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
        self._gone = asyncio.Event()

    async def open(self) -> None:
        """Listen, and start a supervisor if none lives."""
        with contextlib.suppress(FileNotFoundError):
            self._address.unlink()
        self._server = await asyncio.start_unix_server(self._connected, self._address)
        self._address.chmod(0o600)
        self._keeper = asyncio.get_running_loop().create_task(self._keep_supervisor())

    async def _keep_supervisor(self) -> None:
        """A supervisor that died is replaced; its successor adopts what lives."""
        while True:
            if self._channel is None and not self._supervisor_lives():
                self._spawn()
            self._gone.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS if self._channel is None else None):
                    await self._gone.wait()

    def _supervisor_lives(self) -> bool:
        descriptor = os.open(self._data / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _spawn(self) -> None:
        argv = [
            sys.executable, "-m", "flyte.server.executors.process.supervisor",
            "--data", str(self._data), "--socket", str(self._address),
            "--python", self._python, "--slots", str(self._slots),
        ]  # fmt: skip
        with (self._data / "supervisor.log").open("ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._data,
            )
        process.returncode = 0  # it is not ours to wait for: it outlives us
        log.info("started supervisor %d", process.pid)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, worker_pb2.FromSupervisor)
        try:
            async for message in channel.messages():
                self._take(message, channel)
        except (ConnectionError, OSError) as e:
            log.warning("the connection to the supervisor broke: %s", e)
        finally:
            if self._channel is channel:
                self._channel = None
                self._gone.set()
            channel.close()

    def _take(self, message: worker_pb2.FromSupervisor, channel: Channel[worker_pb2.FromSupervisor]) -> None:
        match message.WhichOneof("message"):
            case "hello":
                self._welcome(message.hello, channel)
            case "started":
                self._events.put_nowait(started_from_pb(message.started))
            case "ended":
                self._events.put_nowait(ended_from_pb(message.ended))
            case "log_grew":
                self._events.put_nowait(LogGrew(key_from_pb(message.log_grew.attempt), message.log_grew.size))
            case _:
                pass  # a renewal: the connection itself is the proof of life on one machine

    def _welcome(self, hello: worker_pb2.Hello, channel: Channel[worker_pb2.FromSupervisor]) -> None:
        if hello.version != VERSION:
            log.warning("supervisor %d has version %s, this is %s: it leaves", hello.pid, hello.version, VERSION)
            channel.send(worker_pb2.ToSupervisor(shutdown=worker_pb2.Shutdown(grace_seconds=0)))
            return
        channel.send(worker_pb2.ToSupervisor(welcome=worker_pb2.Welcome(version=VERSION)))
        self._channel = channel
        self._slots = hello.slots or self._slots
        self._events.put_nowait(Connected(tuple(key_from_pb(known) for known in hello.known)))

    def free(self, busy: int) -> int:
        return 0 if self._channel is None else max(0, self._slots - busy)

    def _send(self, message: worker_pb2.ToSupervisor) -> None:
        # Without a connection nothing is lost: on `Connected` the dispatcher compares notes and sends it again.
        if self._channel is not None:
            self._channel.send(message)

    async def start(self, launch: Launch) -> None:
        self._send(worker_pb2.ToSupervisor(start=launch_to_pb(launch)))

    async def stop(self, key: AttemptKey, reason: str, grace_seconds: float) -> None:
        stop = worker_pb2.Stop(attempt=key_to_pb(key), reason=reason, grace_seconds=grace_seconds)
        self._send(worker_pb2.ToSupervisor(stop=stop))

    async def acknowledge(self, key: AttemptKey) -> None:
        acknowledge = worker_pb2.Acknowledge(attempt=key_to_pb(key))
        self._send(worker_pb2.ToSupervisor(acknowledge=acknowledge))

    async def events(self) -> AsyncIterator[ExecutorEvent]:
        while True:
            yield await self._events.get()

    async def close(self, *, keep_tasks: bool, grace_seconds: float) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        channel = self._channel
        if channel is not None and not keep_tasks:
            self._send(worker_pb2.ToSupervisor(shutdown=worker_pb2.Shutdown(grace_seconds=grace_seconds)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds + 5):
                    while self._channel is not None:
                        self._gone.clear()
                        await self._gone.wait()
        if self._server is not None:
            self._server.close()
