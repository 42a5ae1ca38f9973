"""The supervisor: a process of its own that owns the task processes of one data folder on one machine.

    python -m flyte.server.executors.process.supervisor --data FOLDER --socket PATH

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
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from flyte.server.clock import system_clock
from flyte.server.executors.port import AttemptEnded, AttemptKey, Launch
from flyte.server.executors.process.attempt import RunningAttempt
from flyte.server.executors.process.journal import Journal
from flyte.server.executors.process.mapping import ended_to_pb, key_from_pb, key_to_pb, launch_from_pb
from flyte.server.executors.process.output import Output
from flyte.server.executors.process.processes import allow_many_files, by_attempt, end_process
from flyte.server.executors.process.reaper import Reaper
from flyte.server.logs import log_path
from flyte.server.version import VERSION
from flyte.wire.gen.flyte.backend.v1 import worker_pb2
from flyte.wire.worker import Channel

log = logging.getLogger("flyte.supervisor")

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 5.0
"""Between two attempts to reach the control plane. One that comes up wakes its supervisor by SIGHUP."""
LONELY_SECONDS = 3600.0
"""A supervisor that holds nothing and whom nobody answers for this long goes."""
LOG_NEWS_SECONDS = 0.05
"""How often an attempt's log may be told to have grown."""
CONGESTED_SECONDS = 1.0
"""How long news about logs wait for a control plane that does not read what it was sent."""
_REMEMBERED = 4096
"""How many attempts that are over are remembered, so that a late order does not start them again."""


@dataclass
class Supervisor:
    """See the module.

    Args:
        data: The data folder of the backend.
        address: The socket of the control plane.
        file_limits: How many files a task may open, where that is not what this process may.
    """

    data: pathlib.Path
    address: pathlib.Path
    file_limits: tuple[int, int] | None = None
    incarnation: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self._journal = Journal(self.data / "attempts")
        self._reaper = Reaper()
        self._running: dict[AttemptKey, RunningAttempt] = {}
        self._ended: dict[AttemptKey, AttemptEnded] = {}
        self._over: OrderedDict[AttemptKey, None] = OrderedDict()
        self._sizes: dict[AttemptKey, int] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._channel: Channel[worker_pb2.ToSupervisor] | None = None
        self._is_leaving = False
        self._left = asyncio.Event()
        self._woken = asyncio.Event()
        self._nothing_held = asyncio.Event()

    async def run(self) -> None:
        """Adopt what lives, then serve until told to leave."""
        loop = asyncio.get_running_loop()
        self._reaper.start()
        loop.add_signal_handler(signal.SIGHUP, self._woken.set)
        await self._adopt()
        wait, last_contact = FIRST_WAIT_SECONDS, loop.time()
        while not self._left.is_set():
            self._woken.clear()
            if await self._serve():
                wait, last_contact = FIRST_WAIT_SECONDS, loop.time()
            is_lonely = not self._ended and loop.time() - last_contact > LONELY_SECONDS
            if not self._running and (is_lonely or not self.data.exists()):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    # What a predecessor left.

    async def _adopt(self) -> None:
        known = self._journal.known()
        folders = {str(self._journal.folder(key)) for key in known}
        for pid, folder in by_attempt():
            if folder not in folders and pathlib.Path(folder).parent == self._journal.root:
                end_process(pid)  # its attempt is over
        for key in known:
            ended = self._journal.end(key)
            if ended is not None:
                self._ended[key] = ended
                continue
            attempt = self._make(key)
            try:
                lives = await attempt.adopt()
            except OSError as e:
                self._finish(_lost(key, f"The task's process was lost with an earlier supervisor: {e}."))
                continue
            log.info("%s %s", "adopted" if lives else "found the remains of", key)
            self._watch(attempt)

    def _make(self, key: AttemptKey) -> RunningAttempt:
        output = Output(self._journal.folder(key), log_path(self.data, key), lambda size: self._grew(key, size))
        return RunningAttempt(key, self._journal, output)

    # The conversation.

    async def _serve(self) -> bool:
        """Talk to the control plane for as long as it is there; False when it was not."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.address)
        except OSError as e:
            log.debug("no connection: %s", e)
            return False
        channel = Channel(reader, writer, worker_pb2.ToSupervisor)
        try:
            self._introduce(channel)
            async for message in channel.messages():
                self._obey(message)
                if self._left.is_set():
                    break
        except OSError as e:
            log.info("the connection broke: %s", e)
        finally:
            self._channel = None
            channel.close()
        return True

    def _introduce(self, channel: Channel[worker_pb2.ToSupervisor]) -> None:
        known = [key_to_pb(key) for key in (*self._running, *self._ended)]
        hello = worker_pb2.Hello(
            supervisor_id=socket.gethostname(),
            incarnation=self.incarnation,
            version=VERSION,
            pid=os.getpid(),
            known=known,
        )
        channel.send(worker_pb2.FromSupervisor(hello=hello))
        self._channel = channel
        for ended in self._ended.values():
            self._send(worker_pb2.FromSupervisor(ended=ended_to_pb(ended)))
        for key, attempt in self._running.items():
            self._tell_started(attempt)
            self._grew(key, self._sizes.get(key, 0))

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
                self._forget(key_from_pb(message.acknowledge.attempt))
            case "shutdown":
                self._shut_down(message.shutdown)
            case "ping":
                self._send(worker_pb2.FromSupervisor(pong=worker_pb2.Pong()))

    # Orders.

    def _start(self, launch: Launch) -> None:
        key = launch.key
        if self._is_leaving or key in self._running or key in self._ended or key in self._over:
            return
        attempt = self._make(key)
        try:
            attempt.start(launch, self._reaper, self.file_limits)
        except Exception as e:
            # Whatever it is: an order that ends the supervisor would be given to its successor, and end that too.
            if not isinstance(e, OSError | ValueError):
                log.exception("%s could not be started", key)
            reason = f"The task's process could not be started: {e}."
            attempt.note(reason)
            self._finish(_lost(key, reason))
            return
        self._tell_started(attempt)
        self._watch(attempt)

    def _tell_started(self, attempt: RunningAttempt) -> None:
        started = worker_pb2.Started(attempt=key_to_pb(attempt.key), at_us=system_clock(), pid=attempt.pid)
        self._send(worker_pb2.FromSupervisor(started=started))

    def _watch(self, attempt: RunningAttempt) -> None:
        self._running[attempt.key] = attempt

        async def watch() -> None:
            try:
                ended = await attempt.wait()
            except Exception as e:
                log.exception("the end of %s could not be told", attempt.key)
                ended = _lost(attempt.key, f"The end of the task's process could not be told: {e}.")
            del self._running[attempt.key]
            self._finish(ended)

        self._own(asyncio.get_running_loop().create_task(watch()))

    def _own(self, task: asyncio.Future[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _finish(self, ended: AttemptEnded) -> None:
        self._ended[ended.key] = ended
        self._sizes.pop(ended.key, None)
        try:
            self._journal.keep_end(ended)
        except OSError as e:
            log.warning("the report about %s is kept in memory only: %s", ended.key, e)
        self._send(worker_pb2.FromSupervisor(ended=ended_to_pb(ended)))

    def _stop(self, key: AttemptKey, grace_seconds: float) -> None:
        attempt = self._running.get(key)
        if attempt is not None:
            attempt.stop(grace_seconds)
        elif key not in self._ended:
            self._remember(key)  # the order to start it may still be on its way

    def _forget(self, key: AttemptKey) -> None:
        if self._ended.pop(key, None) is None:
            return
        self._remember(key)
        folder = self._journal.set_aside(key)
        if folder is not None:
            self._own(asyncio.get_running_loop().run_in_executor(None, Journal.remove, folder))
        self._look_whether_empty()

    def _remember(self, key: AttemptKey) -> None:
        self._over[key] = None
        while len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    def _grew(self, key: AttemptKey, size: int) -> None:
        self._sizes[key] = size
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(LOG_NEWS_SECONDS, self._tell_sizes)

    def _tell_sizes(self) -> None:
        self._telling = None
        if self._channel is not None and self._channel.is_congested:
            # A control plane that takes nothing just now is told the newest sizes when it does again.
            self._telling = asyncio.get_running_loop().call_later(CONGESTED_SECONDS, self._tell_sizes)
            return
        for key, size in self._sizes.items():
            self._send(worker_pb2.FromSupervisor(log_grew=worker_pb2.LogGrew(attempt=key_to_pb(key), size=size)))
        self._sizes.clear()

    # Leaving.

    def _shut_down(self, order: worker_pb2.Shutdown) -> None:
        self._is_leaving = True
        if order.keep_tasks:
            self._leave()
        else:
            self._own(asyncio.get_running_loop().create_task(self._end_all(order.grace_seconds)))

    async def _end_all(self, grace_seconds: float) -> None:
        """End everything and tell so. What was interrupted is retried when the backend is started again."""
        for attempt in list(self._running.values()):
            attempt.stop(grace_seconds)
        self._look_whether_empty()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds + 2):
                await self._nothing_held.wait()
        self._leave()

    def _look_whether_empty(self) -> None:
        if not self._running and not self._ended:
            self._nothing_held.set()
        else:
            self._nothing_held.clear()

    def _leave(self) -> None:
        self._left.set()
        self._woken.set()
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


def _do_nothing(number: int, frame: object) -> None:
    """Handle a signal by going on."""


def main() -> int:
    """Run a supervisor until it is told to leave."""
    parser = argparse.ArgumentParser(prog="flyte-supervisor", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--socket", type=pathlib.Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A terminal's Ctrl-C is for the control plane; the supervisor leaves when it is told to. The control plane may
    # send a SIGHUP as soon as the lock is held. Handlers, not SIG_IGN: that, tasks would inherit.
    signal.signal(signal.SIGINT, _do_nothing)
    signal.signal(signal.SIGHUP, _do_nothing)
    try:
        lock = _single(options.data)
        if lock is None:
            return 0
        # It holds several files of every attempt; the limits that it was started with are those of the tasks.
        supervisor = Supervisor(options.data, options.socket, allow_many_files())
    except OSError as e:
        # Without a time, so that the control plane, which quotes it, sees that it is always the same.
        print(f"the data folder cannot be used: {e}", file=sys.stderr)  # noqa: T201  this module is a program
        return 1
    asyncio.run(supervisor.run())
    os.close(lock)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
