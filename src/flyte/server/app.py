"""The composition root: settings → ports → a running control plane. The only place that knows every adapter."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import math
import os
import pathlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flyte.errors import BackendError
from flyte.server.blobs import Blobs
from flyte.server.clock import system_clock
from flyte.server.engine.aborts import Aborter
from flyte.server.engine.dispatch import Dispatcher
from flyte.server.engine.supervision import Supervision
from flyte.server.engine.transitions import GRACE_SECONDS
from flyte.server.executors.port import AttemptKey, Executor
from flyte.server.executors.process.executor import ProcessExecutor
from flyte.server.http.gate import Gate
from flyte.server.http.objects import ObjectRoutes
from flyte.server.http.routes import Routes
from flyte.server.http.rpc import RpcApplication, rpc_application
from flyte.server.http.server import HttpServer
from flyte.server.services.actions import ActionsService
from flyte.server.services.data import DataProxyService, log_topic
from flyte.server.services.projects import ProjectService
from flyte.server.services.runs import RunService
from flyte.server.services.system import (
    AuthMetadataService,
    ClusterService,
    IdentityService,
    RegisteredInterpreters,
    SystemService,
)
from flyte.server.services.tasks import TaskService
from flyte.server.settings import DEFAULT_PROJECT, ServerSettings
from flyte.server.signing import Signer
from flyte.server.store.port import Store, Transaction
from flyte.server.store.sqlite import SqliteStore, open_sqlite
from flyte.server.version import VERSION

log = logging.getLogger("flyte.server")

_DRAIN_POLL_SECONDS = 0.1
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ControlPlane:
    """One control plane: `open` it, let it `serve`, and `close` it.

    Args:
        settings: What it is started with.
        executor: What runs attempts; by default processes of this machine.
    """

    def __init__(self, settings: ServerSettings, executor: Executor | None = None) -> None:
        if settings.host not in _LOOPBACK:
            raise BackendError(
                f"The backend cannot listen on {settings.host}: whoever reaches its port can run code as you, and this "
                "version knows no users yet. Only loopback addresses are possible."
            )
        self.settings = settings
        self._lock = -1
        self._store: SqliteStore | None = None
        self._executor = executor
        self._loops: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self._rpc: RpcApplication | None = None
        self._app: Gate | None = None
        self._server: HttpServer | None = None
        self._url = ""
        self._dispatching: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._is_ready = False
        self._is_stopping = False
        self.keep_tasks = False
        self.grace_seconds = 10.0

    @property
    def url(self) -> str:
        """Where it listens, or did."""
        return self._url

    @property
    def rpcs(self) -> Mapping[str, bool]:
        """The path of every RPC that is offered, and whether its answer is a stream."""
        assert self._rpc is not None
        return self._rpc.paths

    @property
    def store(self) -> Store:
        """Its database."""
        assert self._store is not None
        return self._store

    async def open(self) -> None:
        """Take the data folder, the port and the database.

        Raises:
            BackendError: Another backend uses the data folder, or another program the port; or the folder cannot be
                used.
            StoreCorrupt: The database cannot be used.
        """
        try:
            await self._open()
        except OSError as e:
            raise _unusable(self.settings.data, e) from e

    async def _open(self) -> None:
        settings = self.settings
        make_private(settings.data)
        self._lock = take_lock(settings.data)
        self._socket = listen(settings.host, settings.port)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        # Kept, because tasks are still prepared when the socket is closed already.
        self._url = f"http://{host}:{self._socket.getsockname()[1]}"
        store = self._store = await open_sqlite(settings.data / "flyte.db")
        secret = await store.write(_prepare)
        signer = Signer(bytes.fromhex(secret))
        blobs = Blobs(settings.blobs)
        executor = self._executor or await self._open_processes()
        interpreters = RegisteredInterpreters(store, system_clock)
        dispatcher = Dispatcher(store, executor, interpreters, system_clock, self._task_endpoint)
        aborter = Aborter(store, executor, system_clock)
        supervision = Supervision(store, executor, dispatcher, system_clock, self._log_grew)
        services: dict[str, object] = {
            "RunService": RunService(store, blobs, aborter, system_clock),
            "ActionsService": ActionsService(store, aborter, system_clock),
            "DataProxyService": DataProxyService(store, blobs, signer, settings),
            "TaskService": TaskService(store, system_clock),
            "ProjectService": ProjectService(store, system_clock),
            "ClusterService": ClusterService(),
            "IdentityService": IdentityService(),
            "AuthMetadataService": AuthMetadataService(),
            "SystemService": SystemService(settings, interpreters, lambda: self.url, system_clock()),
        }
        rpc = self._rpc = rpc_application(services, lambda host: f"http://{host}")
        self._app = Gate(Routes(rpc, ObjectRoutes(settings.blobs, signer), lambda: self._is_ready))
        self._loops = asyncio.get_running_loop().create_task(self._run_loops(dispatcher, supervision))

    async def _open_processes(self) -> Executor:
        executor = ProcessExecutor(self.settings.data, self.settings.task_python, self.settings.slots)
        self._executor = executor
        await executor.open()
        return executor

    async def _run_loops(self, dispatcher: Dispatcher, supervision: Supervision) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervision.run())
            self._dispatching = group.create_task(dispatcher.run())

    def _task_endpoint(self) -> str:
        return self.url.removeprefix("http://")

    def _log_grew(self, key: AttemptKey, size: int) -> None:
        assert self._store is not None
        self._store.publish(log_topic((key.project, key.domain, key.run, key.action, key.attempt)))

    async def serve(self) -> None:
        """Answer requests until asked to stop by `stop`."""
        assert self._app is not None and self._rpc is not None and self._socket is not None
        self._server = HttpServer(self._app, self._rpc.streams)
        self._server.should_exit = self._is_stopping
        write_record(self.settings.data, self.url)
        self._is_ready = True
        serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))
        assert self._loops is not None
        await asyncio.wait({serving, self._loops}, return_when=asyncio.FIRST_COMPLETED)
        self._is_ready = False
        if self._loops.done() and not serving.done():
            # Without its loops a control plane only pretends: better to end, and say why, than to lie.
            self._server.should_exit = True
            await serving
            self._loops.result()
        await serving

    def stop(self) -> None:
        """Let `serve` return, or not begin. Nothing new is started; what runs gets the grace period to finish.

        Asked twice, it waits neither for tasks nor for requests that are being answered. How long tasks get, and
        whether they stay, is what `flyte stop backend` left in the data folder, if it did.
        """
        is_again, self._is_stopping = self._is_stopping, True
        wish = take_stop_wish(self.settings.data)
        if wish is not None:
            self.grace_seconds, self.keep_tasks = wish.grace_seconds, wish.keep_tasks or self.keep_tasks
        if self._server is None:
            return
        if is_again:
            self._server.force_exit = self._server.should_exit = True
        elif self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain(self._server))

    async def _drain(self, server: HttpServer) -> None:
        """Start nothing any more, and answer on until nothing runs or the grace period is over."""
        self._is_ready = False
        remove_record(self.settings.data)
        if self._dispatching is not None:
            self._dispatching.cancel()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (0 if self.keep_tasks else self.grace_seconds)
        is_told = False
        try:
            while not server.should_exit and loop.time() < deadline and (count := await self._count_running()):
                if not is_told:
                    log.info("stopping: %d tasks run and get up to %.0f seconds to finish", count, self.grace_seconds)
                    is_told = True
                await asyncio.sleep(max(0, min(_DRAIN_POLL_SECONDS, deadline - loop.time())))
        finally:
            server.should_exit = True

    async def _count_running(self) -> int:
        assert self._executor is not None
        name = self._executor.name
        return len(await self.store.read(lambda tx: tx.all("attempts.live", executor=name)))

    async def close(self) -> None:
        """End what still runs, and let go of everything."""
        self._is_ready = False
        remove_record(self.settings.data)
        if self._dispatching is not None:
            self._dispatching.cancel()  # nothing new is started while what runs is ended
        if self._executor is not None:
            await self._executor.close(keep_tasks=self.keep_tasks, grace_seconds=min(self.grace_seconds, GRACE_SECONDS))
        if self._loops is not None:
            self._loops.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._loops
        if self._store is not None:
            await self._store.close()
        if self._socket is not None:
            self._socket.close()
        if self._lock >= 0:
            os.close(self._lock)


async def _prepare(tx: Transaction) -> str:
    """What every database holds from its first start; gives the key that addresses are signed with."""
    now = system_clock()
    await tx.run("projects.add", name=DEFAULT_PROJECT, title=DEFAULT_PROJECT, description="", labels="{}", now=now)
    await tx.run("meta.put", key="signing_key", value=Signer.new_key())
    row = await tx.one("meta.get", key="signing_key")
    assert row is not None
    return str(row["value"])


def make_private(data: pathlib.Path) -> None:
    """Make the data folder, for its owner alone: the keys of this backend lie in it.

    Raises:
        BackendError: It cannot be made, or belongs to somebody else.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if data.stat().st_mode & 0o077:
            data.chmod(0o700)
    except OSError as e:
        raise _unusable(data, e) from e


def _unusable(data: pathlib.Path, error: OSError) -> BackendError:
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(data) else ""
    why = f"{error.strerror or error}{where}"
    return BackendError(f"The data folder {data} cannot be used: {why}. Give another --data.")


def take_lock(data: pathlib.Path) -> int:
    """Keep a second backend off a data folder for as long as the descriptor is open.

    Raises:
        BackendError: There is one already.
        OSError: The folder cannot be written to, or knows no locks.
    """
    import fcntl

    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(descriptor)
        record = read_record(data)
        who = f" (process {record.get('pid')}, {record.get('url')})" if record else ""
        raise BackendError(
            f"Another backend uses the data folder {data}{who}. Stop it with `flyte stop backend`, or give another "
            "--data."
        ) from e
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        BackendError: The port belongs to another program (code `PortTaken`), or cannot be listened on at all.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OverflowError as e:
        listening.close()
        raise BackendError(f"There is no port {port}: ports go from 0 to 65535.") from e
    except OSError as e:
        listening.close()
        if e.errno != errno.EADDRINUSE:
            raise BackendError(
                f"The backend cannot listen on port {port} of {host}: {e.strerror}. Give another --port or --host."
            ) from e
        raise BackendError(
            f"Port {port} of {host} is taken by another program ({e.strerror}). Give another --port, or 0 for a free "
            "one.",
            code="PortTaken",
        ) from e
    listening.listen(2048)
    listening.setblocking(False)
    return listening


def write_record(data: pathlib.Path, url: str) -> None:
    """Say where the backend of a data folder is.

    Raises:
        BackendError: It cannot be written.
    """
    record = {
        "pid": os.getpid(),
        "url": url,
        "version": VERSION,
        "data": str(data),
        "started_at": datetime.now(UTC).isoformat(),
    }
    temporary = data / ".backend.json.tmp"
    try:
        temporary.write_text(json.dumps(record))
        temporary.replace(data / "backend.json")
    except OSError as e:
        raise _unusable(data, e) from e


def read_record(data: pathlib.Path) -> dict[str, Any] | None:
    """Where the backend of a data folder said it was."""
    try:
        record = json.loads((data / "backend.json").read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def remove_record(data: pathlib.Path) -> None:
    """The backend is gone."""
    record = read_record(data)
    if record is not None and record.get("pid") == os.getpid():
        (data / "backend.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class StopWish:
    """How a control plane is to end.

    Args:
        grace_seconds: What running tasks get between being asked to end and being ended.
        keep_tasks: Leave them and their supervisor running.
    """

    grace_seconds: float
    keep_tasks: bool


def take_stop_wish(data: pathlib.Path) -> StopWish | None:
    """What `flyte stop backend` wrote for this process before its signal; None where nobody did, or it is damaged."""
    file = data / "stop.json"
    try:
        text = file.read_text()
        file.unlink()
        said = json.loads(text)
        wish = StopWish(float(said["grace_seconds"]), bool(said["keep_tasks"]))
        is_ours = said["pid"] == os.getpid()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return wish if is_ours and 0 <= wish.grace_seconds < math.inf else None
