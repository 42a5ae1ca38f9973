"""The supervisor: a process of its own that owns the task processes of one data folder on one machine.

    python -m flyte.server.executors.process.supervisor --data FOLDER --socket PATH --python PATH

It connects to the control plane, again and again if need be, says what it holds, starts and stops what it is
told to, and repeats every report until it is acknowledged. When it is killed, its successor finds the living
process groups in the journal and adopts them. It knows nothing of runs, phases or retries.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import pathlib
import signal
import socket
import sys
import uuid
from dataclasses import dataclass, field

from flyte.server.clock import system_clock
from flyte.server.executors.port import AttemptEnded, AttemptKey, Launch
from flyte.server.executors.process.attempt import RunningAttempt
from flyte.server.executors.process.journal import Journal
from flyte.server.executors.process.mapping import ended_to_pb, key_from_pb, key_to_pb, launch_from_pb
from flyte.server.logs import log_path
from flyte.server.version import VERSION
from flyte.wire.gen.flyte.backend.v1 import worker_pb2
from flyte.wire.worker import Channel

log = logging.getLogger("flyte.supervisor")

RENEW_SECONDS = 5.0
RECONNECT_SECONDS = 0.2
LONELY_SECONDS = 3600.0
"""A supervisor that holds nothing and whom nobody answers for this long goes."""


@dataclass
class Supervisor:
    """See the module.

    Args:
        data: The data folder of the backend.
        address: The socket of the control plane.
        python: What runs tasks whose image names no interpreter.
    """

    data: pathlib.Path
    address: pathlib.Path
    python: str
    slots: int
    incarnation: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self._journal = Journal(self.data / "attempts")
        self._running: dict[AttemptKey, RunningAttempt] = {}
        self._ended: dict[AttemptKey, AttemptEnded] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel: Channel[worker_pb2.ToSupervisor] | None = None
        self._leaving = asyncio.Event()
        self._last_contact = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Adopt what lives, then serve until told to leave."""
        self._adopt()
        loop = asyncio.get_running_loop()
        while not self._leaving.is_set():
            try:
                await self._serve()
            except (OSError, ConnectionError) as e:
                log.debug("no connection: %s", e)
            self._channel = None
            if not self._running and not self._ended and loop.time() - self._last_contact > LONELY_SECONDS:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECONNECT_SECONDS):
                    await self._leaving.wait()

    def _adopt(self) -> None:
        for key in self._journal.known():
            attempt = self._make(key)
            if attempt.adopt():
                log.info("adopted %s", key)
                self._watch(attempt, is_child=False)
            elif (self._journal.folder(key) / "launch.json").exists():
                # It ran under a predecessor and is gone: what it left decides.
                self._finish(attempt._ended(None, None))
            else:
                self._finish(_lost(key, "The supervisor ended before the task's process was started."))

    def _make(self, key: AttemptKey) -> RunningAttempt:
        return RunningAttempt(
            key, self._journal.folder(key), log_path(self.data, key), lambda size: self._grew(key, size)
        )

    async def _serve(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self.address)
        channel = Channel(reader, writer, worker_pb2.ToSupervisor)
        try:
            channel.send(worker_pb2.FromSupervisor(hello=self._hello()))
            self._channel = channel
            for ended in self._ended.values():
                self._send(worker_pb2.FromSupervisor(ended=ended_to_pb(ended)))
            for attempt in self._running.values():
                self._tell_started(attempt)
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew())
                async for message in channel.messages():
                    self._last_contact = asyncio.get_running_loop().time()
                    self._obey(message)
                    if self._leaving.is_set():
                        break
                renewing.cancel()
        finally:
            channel.close()

    def _hello(self) -> worker_pb2.Hello:
        known = [key_to_pb(key) for key in (*self._running, *self._ended)]
        return worker_pb2.Hello(
            supervisor_id=socket.gethostname(),
            incarnation=self.incarnation,
            version=VERSION,
            pid=os.getpid(),
            slots=self.slots,
            known=known,
        )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            live = [key_to_pb(key) for key in self._running]
            self._send(worker_pb2.FromSupervisor(renew=worker_pb2.Renew(live=live)))

    def _send(self, message: worker_pb2.FromSupervisor) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _obey(self, message: worker_pb2.ToSupervisor) -> None:
        match message.WhichOneof("message"):
            case "start":
                self._start(launch_from_pb(message.start))
            case "stop":
                self._stop(key_from_pb(message.stop.attempt), message.stop.grace_seconds)
            case "acknowledge":
                key = key_from_pb(message.acknowledge.attempt)
                if self._ended.pop(key, None) is not None:
                    self._journal.forget(key)
            case "shutdown":
                self._own(self._leave(message.shutdown.grace_seconds))

    def _start(self, launch: Launch) -> None:
        key = launch.key
        if key in self._running or key in self._ended:
            return
        if self._journal.begin(key) is None:
            self._finish(_lost(key, "The task's process was lost with an earlier supervisor."))
            return
        attempt = self._make(key)
        try:
            attempt.start(launch, self.python)
        except OSError as e:
            self._finish(_lost(key, f"The task's process could not be started: {e}."))
            return
        self._tell_started(attempt)
        self._watch(attempt, is_child=True)

    def _tell_started(self, attempt: RunningAttempt) -> None:
        started = worker_pb2.Started(attempt=key_to_pb(attempt.key), at_us=system_clock(), pid=attempt.pid)
        self._send(worker_pb2.FromSupervisor(started=started))

    def _watch(self, attempt: RunningAttempt, *, is_child: bool) -> None:
        self._running[attempt.key] = attempt

        async def watch() -> None:
            ended = await attempt.wait(is_child=is_child)
            self._running.pop(attempt.key, None)
            self._finish(ended)

        self._own(watch())

    def _own(self, coroutine: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _finish(self, ended: AttemptEnded) -> None:
        self._ended[ended.key] = ended
        self._send(worker_pb2.FromSupervisor(ended=ended_to_pb(ended)))

    def _stop(self, key: AttemptKey, grace_seconds: float) -> None:
        attempt = self._running.get(key)
        if attempt is not None:
            attempt.stop(grace_seconds)

    def _grew(self, key: AttemptKey, size: int) -> None:
        self._send(worker_pb2.FromSupervisor(log_grew=worker_pb2.LogGrew(attempt=key_to_pb(key), size=size)))

    async def _leave(self, grace_seconds: float) -> None:
        """End everything, tell so, and go. What was interrupted is retried when the backend is started again."""
        for attempt in list(self._running.values()):
            attempt.stop(grace_seconds)
        deadline = asyncio.get_running_loop().time() + grace_seconds + 2
        while (self._running or self._ended) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        self._leaving.set()
        if self._channel is not None:
            self._channel.close()


def _lost(key: AttemptKey, reason: str) -> AttemptEnded:
    return AttemptEnded(key=key, at=system_clock(), lost_reason=reason)


def _single(data: pathlib.Path) -> int | None:
    """Hold the lock that keeps a second supervisor off the same folder; None when there is one."""
    descriptor = os.open(data / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def main() -> int:
    """Run a supervisor until it is told to leave."""
    parser = argparse.ArgumentParser(prog="flyte-supervisor", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--socket", type=pathlib.Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--slots", type=int, default=8)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    lock = _single(options.data)
    if lock is None:
        return 0
    # A terminal's Ctrl-C is for the control plane; the supervisor leaves when it is told to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def run() -> None:
        await Supervisor(options.data, options.socket, options.python, options.slots).run()

    asyncio.run(run())
    os.close(lock)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
