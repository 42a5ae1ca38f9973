"""The port to the database.

A transaction is an async function of a `Transaction`; the store runs it as a whole or not at all. On SQLite it
runs on the writer's thread, on Postgres on a connection; it must therefore do nothing but ask the transaction:
no other I/O, no waiting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from flyte.errors import FlyteError
from flyte.server.store.listing import Dialect

T = TypeVar("T")

Row = Mapping[str, Any]


class StoreUnavailable(FlyteError):
    """The database could not be reached or could not write; nothing was changed."""


class StoreCorrupt(FlyteError):
    """The database cannot be used: it is damaged, or a newer version made it."""


class Transaction(Protocol):
    """The verbs inside a transaction. Queries are called by name, `actions.get` say (see `sql/queries`)."""

    async def one(self, query: str, **values: Any) -> Row | None:
        """The first row of a query, None where there is none."""
        ...

    async def all(self, query: str, **values: Any) -> list[Row]:
        """All rows of a query."""
        ...

    async def run(self, query: str, **values: Any) -> int:
        """Run a statement and give back the number of rows it changed."""
        ...

    async def select(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        """Run a SELECT built by `listing.py`; the one way for SQL that is not named."""
        ...

    def publish(self, topic: str) -> None:
        """Wake the subscribers of a topic once the transaction is committed, and only then."""
        ...


class Subscription(Protocol):
    """Wakes up after commits that published its topic. Wake-ups are coalesced, never lost."""

    async def wait(self) -> None:
        """Return at once if the topic was published since the last call, else when it is."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...

    def __enter__(self) -> Subscription: ...
    def __exit__(self, *_: object) -> None: ...


class Store(Protocol):
    """Transactions and their wake-ups. Safe to use from any task of the event loop.

    Attributes:
        dialect: In which SQL `listing.py` is to speak.
    """

    dialect: Dialect

    async def write(self, transaction: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a transaction that may write, and answer after its commit is on disk.

        An exception of the transaction undoes it alone and is raised here.

        Raises:
            StoreUnavailable: The commit failed, or the store is closed; nothing of it was kept.
            StoreCorrupt: The database is damaged.
        """
        ...

    async def read(self, transaction: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a transaction that only reads, on one consistent state of the database.

        Raises:
            StoreUnavailable: The database could not be reached, or the store is closed.
            StoreCorrupt: The database is damaged.
        """
        ...

    def subscribe(self, *topics: str) -> Subscription:
        """Listen to topics. Subscribe first and read then, and nothing is missed."""
        ...

    def publish(self, topic: str) -> None:
        """Wake the subscribers of a topic that has nothing to do with the database."""
        ...

    async def close(self) -> None:
        """Finish what was handed over, then let go of the database."""
        ...
