"""SQLite: one writer thread that commits in groups, and readers of their own.

Handlers hand whole transactions to the writer and are answered after the commit, so that a thousand of them cost
one fsync. A transaction that fails is undone alone, by a savepoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import queue
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from flyte.server.store.feed import Hub, Listener
from flyte.server.store.listing import Dialect
from flyte.server.store.port import Row, StoreCorrupt, StoreUnavailable, Transaction
from flyte.server.store.queries import queries, schema

T = TypeVar("T")

log = logging.getLogger("flyte.server.store")

SCHEMA_VERSION = 1
LARGEST_GROUP = 512
"""How many transactions share a commit at most."""
_READERS = 2
_CACHED_STATEMENTS = 512
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FATAL = _DAMAGED | {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
"""Errors of the database; any other error is one of the transaction, which then fails alone."""


def _connect(path: pathlib.Path, *, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_CACHED_STATEMENTS
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _primary_code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR) & 0xFF


def _failure(path: pathlib.Path, error: sqlite3.Error, verb: str) -> StoreUnavailable | StoreCorrupt:
    """An error of the database in the port's terms."""
    if _primary_code(error) in _DAMAGED:
        return StoreCorrupt(f"The database {path} is damaged: {error}.")
    return StoreUnavailable(f"The database {path} cannot be {verb}: {error}.")


class _SqliteTransaction:
    """See `port.Transaction`. Nothing in it waits, so a transaction runs to its end in one step."""

    def __init__(self, connection: sqlite3.Connection, named: Mapping[str, str]) -> None:
        self._connection = connection
        self._named = named
        self.topics: set[str] = set()

    async def one(self, query: str, **values: Any) -> Row | None:
        row: Row | None = self._connection.execute(self._named[query], values).fetchone()
        return row

    async def all(self, query: str, **values: Any) -> list[Row]:
        rows: list[Row] = self._connection.execute(self._named[query], values).fetchall()
        return rows

    async def run(self, query: str, **values: Any) -> int:
        return self._connection.execute(self._named[query], values).rowcount

    async def select(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        rows: list[Row] = self._connection.execute(sql, dict(values)).fetchall()
        return rows

    def publish(self, topic: str) -> None:
        self.topics.add(topic)


def _run_to_end(transaction: Callable[[Transaction], Awaitable[T]], handle: _SqliteTransaction) -> T:
    """Drive an async function that never waits."""
    stepper = transaction(handle).__await__()
    try:
        next(stepper)
    except StopIteration as done:
        result: T = done.value
        return result
    stepper.close()
    raise AssertionError("A transaction waited for something other than the database.")


@dataclass(slots=True)
class _Work:
    transaction: Callable[[Transaction], Awaitable[Any]]
    done: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class SqliteStore:
    """See `port.Store`. Make one with `open_sqlite`."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: pathlib.Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._named = queries("sqlite")
        self._hub = Hub()
        self._inbox: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._writer = _connect(path, read_only=False)
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._is_closed = False
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="flyte-read")
        self._thread = threading.Thread(target=self._write_in_groups, name="flyte-write", daemon=True)
        self._thread.start()

    async def write(self, transaction: Callable[[Transaction], Awaitable[T]]) -> T:
        self._refuse_if_closed()
        done: asyncio.Future[T] = self._loop.create_future()
        self._inbox.put(_Work(transaction, done))
        return await done

    async def read(self, transaction: Callable[[Transaction], Awaitable[T]]) -> T:
        self._refuse_if_closed()
        return await self._loop.run_in_executor(self._readers, self._read, transaction)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise StoreUnavailable(f"The database {self._path} is closed: the backend is being stopped.")

    def subscribe(self, *topics: str) -> Listener:
        return self._hub.subscribe(*topics)

    def publish(self, topic: str) -> None:
        """Wake the subscribers of a topic that has nothing to do with the database."""
        self._hub.publish((topic,))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._inbox.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        await self._loop.run_in_executor(None, self._readers.shutdown)
        for connection in (self._writer, *self._opened):
            connection.close()

    def _read(self, transaction: Callable[[Transaction], Awaitable[T]]) -> T:
        try:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = _connect(self._path, read_only=True)
                self._opened.append(connection)
            connection.execute("BEGIN")
            try:
                return _run_to_end(transaction, _SqliteTransaction(connection, self._named))
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as e:
            if _primary_code(e) in _FATAL - {sqlite3.SQLITE_READONLY}:  # a reader that writes is wrong by itself
                raise _failure(self._path, e, "read") from e
            raise

    def _write_in_groups(self) -> None:
        for group in self._groups():
            topics: set[str] = set()
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                for work in group:
                    topics |= self._one(work)
                self._writer.execute("COMMIT")
            except sqlite3.Error as e:
                topics.clear()
                self._undo()
                log.exception("a commit failed")
                for work in group:
                    work.error = _failure(self._path, e, "written")
            self._loop.call_soon_threadsafe(self._deliver, group, topics)

    def _groups(self) -> Iterator[list[_Work]]:
        """Whatever waits, together."""
        while True:
            work = self._inbox.get()
            if work is None:
                return
            group = [work]
            while len(group) < LARGEST_GROUP:
                try:
                    following = self._inbox.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._inbox.put(None)
                    break
                group.append(following)
            yield group

    def _one(self, work: _Work) -> set[str]:
        handle = _SqliteTransaction(self._writer, self._named)
        self._writer.execute("SAVEPOINT one")
        try:
            work.result = _run_to_end(work.transaction, handle)
        except Exception as e:
            if isinstance(e, sqlite3.Error) and _primary_code(e) in _FATAL:
                raise  # the disk is full or broken: the whole group fails
            work.error = e  # handed to the caller, who waits for it
            self._writer.execute("ROLLBACK TO one")
            self._writer.execute("RELEASE one")
            return set()
        self._writer.execute("RELEASE one")
        return handle.topics

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("ROLLBACK")

    def _deliver(self, group: list[_Work], topics: set[str]) -> None:
        for work in group:
            if work.done.done():
                continue
            if work.error is not None:
                work.done.set_exception(work.error)
            else:
                work.done.set_result(work.result)
        self._hub.publish(topics)


async def open_sqlite(path: pathlib.Path) -> SqliteStore:
    """Open a database, or make it.

    Raises:
        StoreCorrupt: The file is no database, is damaged, or was made by a newer version.
    """
    loop = asyncio.get_running_loop()

    await loop.run_in_executor(None, _prepare, path)
    return SqliteStore(path, loop)


def _prepare(path: pathlib.Path) -> None:
    try:
        connection = _connect(path, read_only=False)
    except sqlite3.DatabaseError as e:
        raise StoreCorrupt(f"{path} cannot be opened as a database: {e}.") from e
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables:
            raise StoreCorrupt(f"{path} is the database of another program. Use another data folder.")
        if version == 0:
            connection.executescript(f"BEGIN; {schema('sqlite')}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        elif version > SCHEMA_VERSION:
            raise StoreCorrupt(
                f"{path} was made by a newer version (schema {version}; this version knows {SCHEMA_VERSION}). "
                "Install that version, or use another data folder."
            )
    except sqlite3.DatabaseError as e:
        raise StoreCorrupt(f"{path} is damaged: {e}.") from e
    finally:
        connection.close()
