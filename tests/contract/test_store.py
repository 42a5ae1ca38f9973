"""What every Store does, whichever database is behind it."""

from __future__ import annotations

import asyncio
import json
import pathlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from flyte.server.store.listing import Column, Condition, Listing, Page, Sorting, build, label_column
from flyte.server.store.port import Store, StoreCorrupt, StoreUnavailable, Transaction
from flyte.server.store.sqlite import SCHEMA_VERSION, SqliteStore, open_sqlite

Opener = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Opener:
    """Opens the same database again and again."""
    assert request.param == "sqlite"
    return lambda: open_sqlite(tmp_path / "flyte.db")


@pytest.fixture
async def store(open_store: Opener) -> AsyncIterator[Store]:
    opened = await open_store()
    yield opened
    await opened.close()


async def put(tx: Transaction, key: str, value: str = "v") -> None:
    await tx.run("meta.put", key=key, value=value)


async def get(tx: Transaction, key: str) -> str | None:
    row = await tx.one("meta.get", key=key)
    return None if row is None else row["value"]


def putting(key: str, value: str = "v") -> Callable[[Transaction], Awaitable[None]]:
    return lambda tx: put(tx, key, value)


async def test_what_was_written_is_read_after_the_answer(store: Store) -> None:
    await store.write(putting("a", "1"))
    assert await store.read(lambda tx: get(tx, "a")) == "1"


async def test_a_transaction_sees_its_own_writes_and_gives_back_its_result(store: Store) -> None:
    async def transaction(tx: Transaction) -> str | None:
        await put(tx, "a", "mine")
        return await get(tx, "a")

    assert await store.write(transaction) == "mine"


async def test_a_transaction_that_fails_leaves_nothing_and_raises_its_own_error(store: Store) -> None:
    async def transaction(tx: Transaction) -> None:
        await put(tx, "a")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await store.write(transaction)
    assert await store.read(lambda tx: get(tx, "a")) is None


async def test_a_transaction_that_fails_fails_alone_in_its_group(store: Store) -> None:
    async def failing(tx: Transaction, i: int) -> None:
        await put(tx, f"bad-{i}")
        kinds: list[Callable[[], Awaitable[Any]]] = [
            lambda: tx.run("meta.put", key="x", value=None),  # breaks a constraint
            lambda: tx.select("SELECT nonsense FROM nowhere", {}),
            lambda: tx.run("no.such.query"),
            lambda: tx.run("meta.put", key="x", value=2**80),
            lambda: tx.run("meta.put", key="x", value=object()),
        ]
        await kinds[i % len(kinds)]()

    works = [
        store.write(putting(f"good-{i}")) if i % 2 else store.write(lambda tx, i=i // 2: failing(tx, i))
        for i in range(100)
    ]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(result, Exception) == (i % 2 == 0) for i, result in enumerate(results))
    assert not any(isinstance(result, StoreUnavailable) for result in results)
    for i in range(100):
        expected = "v" if i % 2 else None
        assert await store.read(lambda tx, i=i: get(tx, f"good-{i}" if i % 2 else f"bad-{i // 2}")) == expected


async def test_a_transaction_may_do_nothing_but_ask_the_database(store: Store) -> None:
    async def waiting(tx: Transaction) -> None:
        await put(tx, "a")
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="waited"):
        await store.write(waiting)
    with pytest.raises(AssertionError, match="waited"):
        await store.read(lambda tx: asyncio.sleep(0))
    assert await store.read(lambda tx: get(tx, "a")) is None


async def test_reading_never_writes(store: Store) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await store.read(putting("a"))
    assert await store.read(lambda tx: get(tx, "a")) is None
    await store.write(putting("a"))


async def test_a_reader_sees_one_state_of_the_database_from_its_beginning_to_its_end(store: Store) -> None:
    await store.write(putting("a", "before"))
    loop = asyncio.get_running_loop()
    seen: list[str | None] = []

    async def reading(tx: Transaction) -> None:
        seen.append(await get(tx, "b"))
        asyncio.run_coroutine_threadsafe(store.write(putting("b", "after")), loop).result(10)
        seen.append(await get(tx, "b"))

    await store.read(reading)
    assert seen == [None, None]
    assert await store.read(lambda tx: get(tx, "b")) == "after"


async def test_a_thousand_writers_at_once_are_all_answered_and_kept(open_store: Opener) -> None:
    store = await open_store()
    await asyncio.gather(*(store.write(putting(f"k{i}", str(i))) for i in range(1000)))
    await store.close()
    again = await open_store()
    for i in (0, 511, 512, 999):
        assert await again.read(lambda tx, i=i: get(tx, f"k{i}")) == str(i)
    await again.close()


async def test_an_answer_comes_after_the_commit(tmp_path: pathlib.Path) -> None:
    store = await open_sqlite(tmp_path / "db")
    await store.write(putting("a"))
    other = sqlite3.connect(tmp_path / "db")
    assert other.execute("SELECT COUNT(*) FROM meta WHERE key = 'a'").fetchone() == (1,)
    other.close()
    await store.close()


async def test_subscribers_are_woken_after_the_commit_and_only_then(store: Store) -> None:
    async def failing(tx: Transaction) -> None:
        tx.publish("topic")
        raise LookupError

    async def succeeding(tx: Transaction) -> None:
        tx.publish("topic")
        await put(tx, "a")

    with store.subscribe("topic", "other") as listener:
        with pytest.raises(LookupError):
            await store.write(failing)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await listener.wait()
        writing = asyncio.create_task(store.write(succeeding))
        async with asyncio.timeout(10):
            await listener.wait()
        assert await store.read(lambda tx: get(tx, "a")) == "v"
        await writing


async def test_wake_ups_are_coalesced_and_never_lost(store: Store) -> None:
    async def bump(tx: Transaction) -> None:
        row = await tx.one("meta.get", key="n")
        await tx.select("SELECT 1", {})
        await put(tx, f"n{0 if row is None else 1}")
        tx.publish("topic")

    listener = store.subscribe("topic")
    for _ in range(20):
        await store.write(bump)
    async with asyncio.timeout(10):
        await listener.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await listener.wait()
    # Whoever reads after each wake-up has seen the last write in the end, however they fall together.
    total, seen = 200, 0

    async def write(i: int) -> None:
        async def transaction(tx: Transaction) -> None:
            await put(tx, f"w{i}")
            tx.publish("topic")

        await store.write(transaction)

    async def count(tx: Transaction) -> int:
        rows = await tx.select("SELECT COUNT(*) AS n FROM meta WHERE key LIKE 'w%'", {})
        return int(rows[0]["n"])

    writers = [asyncio.create_task(write(i)) for i in range(total)]
    async with asyncio.timeout(30):
        while seen < total:
            await listener.wait()
            seen = await store.read(count)
    await asyncio.gather(*writers)
    listener.close()
    listener.close()


async def test_nobody_is_woken_by_another_topic_or_after_closing(store: Store) -> None:
    listener = store.subscribe("mine")
    closed = store.subscribe("theirs")
    closed.close()
    store.publish("theirs")
    for quiet in (listener, closed):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await quiet.wait()
    listener.close()


async def test_closing_finishes_what_was_handed_over_and_refuses_the_rest(open_store: Opener) -> None:
    store = await open_store()
    writes = [asyncio.ensure_future(store.write(putting(f"k{i}"))) for i in range(600)]
    await asyncio.sleep(0)  # they are handed over
    await store.close()
    await asyncio.gather(*writes)
    for late in (store.write(putting("late")), store.read(lambda tx: get(tx, "k1"))):
        with pytest.raises(StoreUnavailable, match="closed"):
            await late
    await store.close()
    again = await open_store()
    assert await again.read(lambda tx: get(tx, "k599")) == "v"
    await again.close()


async def test_a_caller_that_gives_up_disturbs_nobody(store: Store) -> None:
    given_up = asyncio.ensure_future(store.write(putting("a")))
    await asyncio.sleep(0)
    given_up.cancel()
    await store.write(putting("b"))
    assert await store.read(lambda tx: get(tx, "b")) == "v"


def labelled(dialect: Any, label: str) -> tuple[str, dict[str, Any]]:
    column = label_column(dialect, "projects.labels", label)
    fields = {"label": column, "name": Column("projects.name")}
    listing = Listing("projects.name", "projects", fields.get, "projects.created_at")
    condition = Condition("EQUAL", "label", ("x",))
    return build(dialect, listing, [], {}, [condition], Sorting("name", True), Page(10))


@pytest.mark.parametrize("label", ["team", "a.b/c-d", 'quo"te', "a'b", "$", "[0]", " "])
async def test_labels_of_any_name_can_be_filtered_by(store: Store, label: str) -> None:
    for i, labels in enumerate(({label: "x"}, {label: "y"}, {})):
        values = {"name": f"p{i}", "title": "", "description": "", "labels": json.dumps(labels), "now": i}
        await store.write(lambda tx, v=values: tx.run("projects.add", **v))
    sql, bound = labelled(store.dialect, label)
    rows = await store.read(lambda tx: tx.select(sql, bound))
    assert [row["name"] for row in rows] == ["p0"]


# What follows belongs to SQLite alone.


@pytest.mark.parametrize(
    "content",
    [b"this is no database, but it is long enough to be read as one" * 20, b"SQLite format 3\0" + b"\xff" * 4096],
)
async def test_a_file_that_is_no_database_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "flyte.db"
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"flyte\.db"):
        await open_sqlite(path)
    assert path.read_bytes() == content


async def test_the_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "flyte.db"
    await (await open_sqlite(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreCorrupt, match="newer version"):
        await open_sqlite(path)


async def test_the_database_of_another_program_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "flyte.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StoreCorrupt, match="another program"):
        await open_sqlite(path)


async def test_damage_that_shows_later_is_named_and_does_not_end_the_store(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "flyte.db"
    store = await open_sqlite(path)
    await store.write(lambda tx: tx.run("tasks.put_spec", digest="d", body=b"x" * 500_000))
    await store.close()
    pages = bytearray(path.read_bytes())
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_meta_1'").fetchone()
    connection.close()
    pages[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    path.write_bytes(pages)
    damaged = await open_sqlite(path)
    for attempt in (damaged.read(lambda tx: get(tx, "a")), damaged.write(putting("a"))):
        with pytest.raises(StoreCorrupt, match="damaged"):
            await attempt
    row = await damaged.read(lambda tx: tx.one("tasks.spec", digest="d"))
    assert row is not None and len(row["body"]) == 500_000
    await damaged.close()


async def test_a_database_that_another_process_holds_is_unavailable_and_usable_after_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "flyte.db"
    store: SqliteStore = await open_sqlite(path)
    store._writer.execute("PRAGMA busy_timeout=50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.write(putting("a"))
    other.execute("ROLLBACK")
    other.close()
    await store.write(putting("a"))
    await store.close()


async def test_a_full_disk_fails_the_whole_group_and_nothing_of_it_is_kept(tmp_path: pathlib.Path) -> None:
    store: SqliteStore = await open_sqlite(tmp_path / "flyte.db")
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count={pages + 2}")
    works = [store.write(putting("small")), store.write(putting("large", "x" * 100_000)), store.write(putting("after"))]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(results[1], StoreUnavailable) and "full" in str(results[1])
    store._writer.execute("PRAGMA max_page_count=100000")
    kept = {key: await store.read(lambda tx, key=key: get(tx, key)) for key in ("small", "large", "after")}
    for result, key in zip(results, kept, strict=True):
        assert (kept[key] is None) == isinstance(result, StoreUnavailable)
    await store.write(putting("again"))
    await store.close()
