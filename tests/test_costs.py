"""What the store's promises cost, counted and never timed: rows and bytes written, statements sent."""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.asyncpg import AsyncpgConfig

from litestar_sqlstores import create_store
from tests.servers import PostgresServer, require
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from litestar_sqlstores.values import DataFormat
    from tests.backends import Store

DAY = 24 * 60 * 60
TTL = 14 * DAY
KEYS = [f"session {number}" for number in range(64)]
VALUE = b'"' + b"x" * 510 + b'"'
HANDFUL = 6

# Nothing but the test writes: no vacuum, no checkpoint, no snapshots for standbys.
QUIET = {
    "fsync": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with require(lambda: PostgresServer(QUIET)) as server:
        yield server


@pytest.fixture(params=["bytes", "json"])
def data_format(request: pytest.FixtureRequest) -> DataFormat:
    data_format: DataFormat = request.param
    return data_format


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Store]:
    async with create_store(url, **options) as store:
        await store.create_table()
        yield store


async def hot_path(store: Store) -> None:
    """What a web application does with sessions that have not changed and are not due."""
    await asyncio.gather(*(store.get(key, renew_for=TTL) for key in KEYS))
    await asyncio.gather(*(store.get(key, renew_for=TTL + 30) for key in KEYS))
    await asyncio.gather(*(store.set(key, VALUE, expires_in=TTL, owner="ada") for key in KEYS))
    await asyncio.gather(*(store.set(key, VALUE, keep_ttl=True, owner="ada") for key in KEYS))
    await asyncio.gather(*(store.renew(key, TTL) for key in KEYS))
    assert len(await store.get_many([*KEYS, "missing"], renew_for=TTL)) == len(KEYS)
    await store.renew_many([*KEYS, "missing"], TTL)
    await store.set_many(dict.fromkeys(KEYS, VALUE), expires_in=TTL, owner="ada")
    await asyncio.gather(store.exists(KEYS[0]), store.expires_in(KEYS[0]), store.get("missing", renew_for=TTL))
    await store.delete("missing")
    await store.delete_expired()


async def fill(store: Store) -> None:
    await store.set_many(dict.fromkeys(KEYS, VALUE), expires_in=TTL, owner="ada")


# -- PostgreSQL: what is written


@asynccontextmanager
async def observer(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def row_versions(connection: Any) -> set[tuple[Any, ...]]:
    """Each version of a row has a place and a transaction of its own."""
    return {tuple(row) for row in await connection.fetch("SELECT ctid, xmin::text, xmax::text FROM litestar_session")}


async def table_statistics(connection: Any) -> dict[str, int]:
    """The server's counts of rows that the table's users have written, once they are all gone and have reported."""
    await until(
        lambda: connection.fetchval("SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()")
    )
    columns = "n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del"
    row = await connection.fetchrow(f"SELECT {columns} FROM pg_stat_user_tables WHERE relname = 'litestar_session'")
    return dict(row)


async def test_postgres_writes_nothing_for_what_has_not_changed(
    server: PostgresServer, data_format: DataFormat
) -> None:
    dsn = server.create_database()
    async with observer(dsn) as connection:
        async with opened(dsn, data_format=data_format) as store:
            await fill(store)
            versions = await row_versions(connection)
            position = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
            await hot_path(store)
            assert await row_versions(connection) == versions
            assert await connection.fetchval("SELECT pg_current_wal_insert_lsn()") == position
        assert await table_statistics(connection) == {
            "n_tup_ins": len(KEYS),
            "n_tup_upd": 0,
            "n_tup_hot_upd": 0,
            "n_tup_del": 0,
        }


async def test_postgres_writes_what_has_changed(server: PostgresServer) -> None:
    """That the measures of the test before this one measure something."""
    dsn = server.create_database()
    async with observer(dsn) as connection:
        async with opened(dsn) as store:
            await fill(store)
            versions = await row_versions(connection)
            position = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
            await store.get(KEYS[0], renew_for=2 * TTL)
            await store.set(KEYS[1], VALUE, expires_in=TTL)
            assert len(versions - await row_versions(connection)) == 2
            assert await connection.fetchval("SELECT pg_current_wal_insert_lsn()") > position
        statistics = await table_statistics(connection)
        assert (statistics["n_tup_ins"], statistics["n_tup_upd"]) == (len(KEYS), 2)


async def test_postgres_renews_in_place(server: PostgresServer, data_format: DataFormat) -> None:
    """At least 95 % of due renewals are heap-only tuples: no index is touched."""
    dsn = server.create_database()
    # Expiries as they are in life, spread over time.
    expiries = {f"session {number}": TTL + number * 3.6 for number in range(1000)}
    async with observer(dsn) as connection:
        async with opened(dsn, data_format=data_format, renew_tolerance=0) as store:
            await asyncio.gather(*(store.set(key, VALUE, expires_in=expiry) for key, expiry in expiries.items()))
            # One after another: how many share a statement, and so a page's room, would be a matter of time.
            for key, expiry in random.Random(1).sample(list(expiries.items()), len(expiries)):
                assert await store.get(key, renew_for=expiry + 5) == VALUE
        statistics = await table_statistics(connection)
        assert statistics["n_tup_upd"] == 1000
        assert statistics["n_tup_hot_upd"] >= 950


# -- SQLite: what is written


def contents(path: Path) -> dict[str, str]:
    """The database's files, byte by byte; not the index of the log, which readers write their marks to."""
    files = [path, path.with_name(f"{path.name}-wal")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


async def data_version(connection: Any) -> int:
    """A number that differs as soon as another connection has changed the database."""
    cursor = await connection.execute("PRAGMA data_version")
    [version] = await cursor.fetchone()
    await cursor.close()
    return int(version)


async def test_a_sqlite_file_is_not_written_for_what_has_not_changed(tmp_path: Path, data_format: DataFormat) -> None:
    path = tmp_path / "store.db"
    async with (
        opened(f"sqlite:///{path}", data_format=data_format) as store,
        store.config.provide_connection() as other,
    ):
        await fill(store)
        before = contents(path), await data_version(other)
        await hot_path(store)
        assert (contents(path), await data_version(other)) == before
        # That the measures measure something:
        await store.renew(KEYS[0], TTL + 120)
        after = contents(path), await data_version(other)
        assert after[0] != before[0]
        assert after[1] != before[1]


async def test_sqlite_in_memory_changes_nothing_for_what_has_not_changed(data_format: DataFormat) -> None:
    async def total_changes() -> int:
        # The store has one connection, and it is back in the pool.
        async with store.config.provide_connection() as connection:
            return int(connection.total_changes)

    async with opened("sqlite://", data_format=data_format) as store:
        await fill(store)
        await asyncio.sleep(0.1)
        before = await total_changes()
        assert before >= len(KEYS)
        await hot_path(store)
        await asyncio.sleep(0.1)
        assert await total_changes() == before
        await store.renew(KEYS[0], TTL + 120)
        await asyncio.sleep(0.1)
        assert await total_changes() == before + 1


# -- statements

Counter = list[str]


@asynccontextmanager
async def counted_postgres(server: PostgresServer) -> AsyncIterator[tuple[Store, Counter]]:
    statements: Counter = []

    async def watch(connection: Any) -> None:
        connection.add_query_logger(lambda record: statements.append(record.query))

    config = AsyncpgConfig(
        connection_config={"dsn": server.create_database(), "min_size": 1, "max_size": 5},
        driver_features={"on_connection_create": watch},
    )
    async with create_store(config) as store:
        await store.create_table()
        yield store, statements
    await config.close_pool()


@asynccontextmanager
async def counted_sqlite(path: Path) -> AsyncIterator[tuple[Store, Counter]]:
    statements: Counter = []
    config = AiosqliteConfig(
        connection_config={"database": str(path)}, driver_features={"trace_callback": statements.append}
    )
    async with create_store(config) as store:
        await store.create_table()
        yield store, statements
    await config.close_pool()


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "postgresql"])
async def counted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Store, Counter]]:
    """A store, and the statements that its connections have run."""
    if request.param == "postgresql":
        context = counted_postgres(request.getfixturevalue("server"))
    else:
        context = counted_sqlite(tmp_path / "store.db" if request.param == "sqlite-file" else ":memory:")  # type: ignore[arg-type]
    async with context as (store, statements):
        yield store, statements


def trips(statements: Counter) -> int:
    """How often the database was asked: a transaction in SQLite is one trip to its thread."""
    begins = sum(statement.startswith("BEGIN") for statement in statements)
    # Not counted: what asyncpg asks a new connection of PostgreSQL about its types. Counted: its pool's reset.
    return begins or sum("litestar_session" in statement or "RESET ALL" in statement for statement in statements)


ONE_CALLER_EACH: dict[str, Callable[[Store, str], Awaitable[object]]] = {
    "get": lambda store, key: store.get(key),
    "get and renew": lambda store, key: store.get(key, renew_for=TTL),
    "get and renew what is due": lambda store, key: store.get(key, renew_for=TTL / 2),
    "set": lambda store, key: store.set(key, b"2", expires_in=TTL),
    "set, keep_ttl": lambda store, key: store.set(key, b"3", keep_ttl=True),
    "renew": lambda store, key: store.renew(key, TTL / 3),
    "increment": lambda store, key: store.increment(key),
    "exists": lambda store, key: store.exists(key),
    "expires_in": lambda store, key: store.expires_in(key),
    "delete": lambda store, key: store.delete(key),
}


async def test_sixty_four_callers_travel_together(counted: tuple[Store, Counter]) -> None:
    store, statements = counted
    await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=TTL)
    for name, operation in ONE_CALLER_EACH.items():
        statements.clear()
        await asyncio.gather(*(operation(store, key) for key in KEYS))
        # What is due is written in SQLite by a second statement.
        assert 1 <= trips(statements) <= HANDFUL, (name, statements)


async def test_two_thousand_keys_travel_in_a_few_statements(counted: tuple[Store, Counter]) -> None:
    store, statements = counted
    items = {f"{number}": b"1" for number in range(2000)}
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.set_many(items, expires_in=TTL),
        lambda: store.get_many(items),
        lambda: store.renew_many(items, TTL),
        lambda: store.delete_many(items),
    ]
    for call in calls:
        statements.clear()
        await call()
        # 512 at a time, which lanes share among them.
        assert 1 <= trips(statements) <= 8 * HANDFUL


async def test_one_caller_sends_one_statement_a_call(counted: tuple[Store, Counter]) -> None:
    """No reset, no ping, no transaction around it: a second trip would halve the speed."""
    store, statements = counted
    await store.set("key", b"1", expires_in=TTL)
    statements.clear()
    for _ in range(50):
        await store.get("key")
        await store.get("key", renew_for=TTL)
        await store.set("key", b"1", expires_in=TTL)
    assert trips(statements) <= 150 + HANDFUL
