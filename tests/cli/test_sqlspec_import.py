"""`litestar stores import-sqlspec`: nobody is logged out by switching from SQLSpec's own store."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores.errors import ConfigurationError, SchemaError
from litestar_sqlstores.imports import Imported, import_sessions
from litestar_sqlstores.imports.sqlspec import SQLSpecTable
from tests.backends import rows
from tests.cli.processes import Processes, plugin_options
from tests.cli.switching import assert_ada_is_logged_in, log_ada_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.backends import Backend, Database, Store

pytestmark = [pytest.mark.needs("processes"), pytest.mark.timeout(120)]

OLD = "old_sessions"
STORES = {"postgresql": ("asyncpg", "AsyncpgStore"), "sqlite": ("aiosqlite", "AiosqliteStore")}

# Rows as SQLSpec's stores write them: so many that live, and as many that have expired.
FILL = {
    "postgresql": """
        INSERT INTO old_sessions (session_id, data, expires_at)
        SELECT md5(n::text) || md5(n::text), convert_to('{{"user":"' || n || '"}}', 'UTF8'),
          now() + CASE WHEN n % 2 = 0 THEN interval '1 hour' ELSE interval '-1 hour' END
        FROM generate_series(1, {count} * 2) AS n
    """,
    "sqlite": """
        INSERT INTO old_sessions (session_id, data, expires_at)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count} * 2)
        SELECT lower(hex(randomblob(32))), CAST('{{"user":"' || n || '"}}' AS BLOB),
          julianday('now', CASE WHEN n % 2 = 0 THEN '+1 hour' ELSE '-1 hour' END)
        FROM numbers
    """,
}


@pytest.fixture
def store(backend: Backend, store: Store) -> Store:
    if store.backend.dialect not in STORES:
        pytest.skip("sessions are imported on PostgreSQL and SQLite")
    return store


@pytest.fixture
async def old(store: Store) -> AsyncIterator[Any]:
    """SQLSpec's own store, in the database that ours is in."""
    driver, name = STORES[store.backend.dialect]
    config = type(store.config)(
        connection_config=dict(store.config.connection_config), extension_config={"litestar": {"session_table": OLD}}
    )
    old = getattr(import_module(f"sqlspec.adapters.{driver}.litestar"), name)(config)
    await old.create_table()
    yield old
    async with config.provide_session() as session:
        await session.execute(f"DROP TABLE {OLD}")
        await session.commit()
    await config.close_pool()


async def take_over(store: Store, table: str = OLD, **options: Any) -> tuple[int, int]:
    """Import; how many sessions were found, and how many of them added."""
    last = Imported(0, 0)
    async for imported in import_sessions(store, SQLSpecTable(store, table), **options):
        assert (imported.found, imported.added) >= (last.found, last.added)
        last = imported
    return last.found, last.added


@pytest.mark.slow
@pytest.mark.formats("bytes")
async def test_who_was_logged_in_stays_logged_in(database: Database, store: Store, old: Any, tmp_path: Path) -> None:
    session_id = await log_ada_in(old)
    cli = Processes(tmp_path, plugin_options(database))
    first = await cli.run("import-sqlspec", "--from-table", OLD, "--json")
    assert first.document == {"from_table": OLD, "imported": 1, "already_here": 0, "refused": 0, "complete": True}
    assert first.error == ""
    imported = await rows(store)
    second = await cli.run("import-sqlspec", "--from-table", OLD)
    assert second.out == f"imported 0 sessions from table '{OLD}'; 1 were here already\n"
    assert await rows(store) == imported
    await assert_ada_is_logged_in(database, store, session_id)


@pytest.mark.slow
@pytest.mark.formats("bytes")
async def test_very_many_sessions(store: Store, old: Any) -> None:
    count = 20_000  # 100,000 take a few seconds
    async with old.config.provide_session() as session:
        await session.execute(FILL[store.backend.dialect].format(count=count))
        await session.commit()
    assert await take_over(store) == (count, count)
    assert sum(each.live for each in await store.stats()) == count
    again = [imported async for imported in import_sessions(store, SQLSpecTable(store, OLD), batch_size=5000)]
    assert (len(again), again[-1]) == (4, Imported(count, 0))


@pytest.mark.formats("bytes")
async def test_what_lives_here_is_newer_and_stays(store: Store, old: Any) -> None:
    for key in ("here", "expired here", "only there"):
        await old.set(key, b"old", 1000)
    await old.set("for ever", b"old")
    await store.set("here", b"new", 10, owner="ada")
    await store.set("expired here", b"new", 0.001)
    await asyncio.sleep(0.01)
    assert await take_over(store, batch_size=1, owner_of=lambda data: data.decode()) == (4, 3)
    everything = await store.get_many(["here", "expired here", "only there", "for ever"])
    assert everything == {"here": b"new", "expired here": b"old", "only there": b"old", "for ever": b"old"}
    assert await store.expires_in("for ever") == -1
    for key in ("expired here", "only there"):
        assert 990 < (await store.expires_in(key) or 0) <= 1000
    assert len(await store.list_owned("old")) == 3
    assert len(await store.list_owned("ada")) == 1


@pytest.mark.formats("bytes")
async def test_expired_sessions_stay_behind(store: Store, old: Any) -> None:
    await old.set("key", b"old", 1)
    async with old.config.provide_session() as session:
        await session.execute(f"UPDATE {OLD} SET expires_at = {PAST[store.backend.dialect]}")
        await session.commit()
    assert await take_over(store) == (0, 0)
    assert await rows(store, "namespace") == []


PAST = {"postgresql": "now() - interval '1 second'", "sqlite": "julianday('now', '-1 second')"}


@pytest.mark.formats("bytes")
async def test_with_delete_nothing_comes_back(store: Store, old: Any) -> None:
    await old.set("ended", b"old", 1000)
    await old.set("here", b"old", 1000)
    await store.set("here", b"new")
    assert await take_over(store, delete=True) == (2, 1)
    await store.delete("ended")
    assert await take_over(store) == (0, 0)
    assert not await store.exists("ended")
    assert await store.get("here") == b"new"


@pytest.mark.formats("bytes")
async def test_what_cannot_be_imported_from_is_refused(store: Store, old: Any) -> None:
    with pytest.raises(ConfigurationError, match="is the store's own: give the store another one"):
        await take_over(store, store.settings.table)
    with pytest.raises(SchemaError, match="there is no table 'nowhere' to import sessions from"):
        await take_over(store, "nowhere")
    async with store.config.provide_session() as session:
        await session.execute("CREATE TABLE other_shape (id INTEGER)")
        await session.commit()
    try:
        with pytest.raises(SchemaError, match="was not made by SQLSpec's session store"):
            await take_over(store, "other_shape")
    finally:
        async with store.config.provide_session() as session:
            await session.execute("DROP TABLE other_shape")
            await session.commit()
    with pytest.raises(ConfigurationError, match="no table name"):
        await take_over(store, "old; DROP TABLE old")


@pytest.mark.formats("bytes")
async def test_a_value_that_the_store_refuses_is_not_lost(stores: Any, store: Store, old: Any) -> None:
    small = stores(max_value_bytes=10)
    await old.set("a", b"fits", 1000)
    await old.set("b", b"too long to fit", 1000)
    assert await take_over(small, delete=True) == (2, 1)
    assert await store.get_many(["a", "b"]) == {"a": b"fits"}
    assert await take_over(store) == (1, 1)


@pytest.mark.parametrize("owner", ["x" * 300, "with\0NUL", "\ud800", 5])
@pytest.mark.formats("bytes")
async def test_one_owner_that_cannot_be_does_not_stop_the_others(store: Store, old: Any, owner: Any) -> None:
    for number in range(5):
        await old.set(str(number), b"%d" % number, 1000)
    source = SQLSpecTable(store, OLD)
    owners = import_sessions(
        store, source, owner_of=lambda data: owner if data == b"3" else "ada", batch_size=3, delete=True
    )
    steps = [imported async for imported in owners]
    # Without an owner, it would outlive the end of all sessions of its user.
    assert steps[-1] == Imported(5, 4, 1)
    assert len(await store.list_owned("ada")) == 4
    assert await take_over(store) == (1, 1)


@pytest.mark.formats("json")
async def test_one_value_that_the_database_refuses_does_not_stop_the_others(store: Store, old: Any) -> None:
    values = {str(number): b'{"number": %d}' % number for number in range(20)}
    values |= {"7": b"no JSON", "11": b'{"half": "', "12": b"\xff"}
    for key, value in values.items():
        await old.set(key, value, 1000)
    *_, last = [imported async for imported in import_sessions(store, SQLSpecTable(store, OLD), delete=True)]
    assert last == Imported(20, 17, 3)
    assert len(await store.get_many(values)) == 17
    assert await take_over(store) == (3, 0)


@pytest.mark.formats("bytes")
async def test_what_is_taken_over_is_encrypted(stores: Any, store: Store, old: Any) -> None:
    encrypted = stores.on(store.config, encryption_keys=["the key of the sessions from now on"])
    await old.set("key", b"what nobody is to find", 1000)
    assert await take_over(encrypted, owner_of=lambda data: data.decode()[:4]) == (1, 1)
    assert await encrypted.get("key") == b"what nobody is to find"
    assert b"nobody" not in (await store.get("key") or b"nobody")
    assert len(await encrypted.list_owned("what")) == 1
