"""Tables as people make them of ours: partitioned, with children, large; and what an increment takes for a number."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from litestar_sqlstores import InvalidValueError, create_store
from tests.servers import PostgresServer, require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.backends import Store

COUNT = 1000


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with require(lambda: PostgresServer({"fsync": "off"})) as server:
        yield server


@pytest.fixture
def dsn(server: PostgresServer) -> str:
    return server.create_database()


@pytest.fixture
async def administrator(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def partition(store: Store, administrator: Any) -> None:
    """Make the store's table one of four partitions."""
    for statement in store.statements("create_table"):
        if "CREATE TABLE" in statement:
            await administrator.execute(statement.split(" WITH (fill")[0] + " PARTITION BY HASH (key_digest)")
            for number in range(4):
                await administrator.execute(
                    f"CREATE TABLE part_{number} PARTITION OF litestar_session"
                    f" FOR VALUES WITH (MODULUS 4, REMAINDER {number})"
                )
        else:
            await administrator.execute(statement)


async def add_child(store: Store, administrator: Any) -> None:
    """Give the store's table a child, with rows that others have put there."""
    await store.create_table()
    await administrator.execute("CREATE TABLE child () INHERITS (litestar_session)")
    await administrator.execute(
        "INSERT INTO child (key_digest, namespace, data, expires_at)"
        " SELECT sha256(number::text::bytea), 'archive', 'x', now() + interval '1 hour'"
        " FROM generate_series(1, 2000) AS number"
    )


@pytest.mark.parametrize("make", [partition, add_child])
async def test_removing_some_rows_leaves_those_with_the_same_places_alone(
    dsn: str, administrator: Any, make: Any
) -> None:
    async with create_store(dsn, keep_keys=["pages"]) as store:
        await make(store, administrator)
        pages = store.with_namespace("pages")
        before = await administrator.fetchval("SELECT count(*) FROM litestar_session")
        await store.set_many({f"live {number}": b"1" for number in range(COUNT)}, expires_in=3600)
        await store.set_many({f"dead {number}": b"1" for number in range(COUNT)}, expires_in=0.05)
        await pages.set_many({f"a{number}": b"1" for number in range(COUNT)})
        await pages.set_many({f"b{number}": b"1" for number in range(COUNT)})
        await asyncio.sleep(0.1)
        assert await store.delete_expired(batch_size=100) == COUNT
        assert await pages.invalidate(prefix="a") == COUNT
        assert len(await pages.get_many(f"b{number}" for number in range(COUNT))) == COUNT
        assert await pages.clear() == COUNT
        assert len(await store.get_many(f"live {number}" for number in range(COUNT))) == COUNT
        await store.set_many({f"mine {number}": b"1" for number in range(COUNT)}, owner="ada")
        assert await store.delete_owned("ada") == COUNT
        assert await store.clear() == COUNT
        assert await administrator.fetchval("SELECT count(*) FROM litestar_session") == before


async def test_a_batch_that_is_cleared_costs_the_same_however_many_there_are(dsn: str, administrator: Any) -> None:
    """Counted in pages, not in seconds: a batch reads no more of 40,000 rows than of 4,000."""
    async with create_store(dsn, namespace="large") as store:
        await store.create_table()
        sql = store._backend.sql["delete_namespace"]
        costs = []
        for rows in (4_000, 40_000):
            await administrator.execute(
                "INSERT INTO litestar_session (key_digest, namespace, data)"
                " SELECT sha256((random()::text || number)::bytea), 'large', repeat('x', 200)::bytea"
                " FROM generate_series(1, $1::int) AS number",
                rows,
            )
            await administrator.execute("VACUUM ANALYZE litestar_session")
            (plan,) = await explained(administrator, sql, "large", "large\x1f", "large ", 1000)
            costs.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
            # And the batches after it do not pass over what is gone again and again.
            assert await store.clear() == rows - 1000
        assert costs[1] < 2 * costs[0]


async def explained(administrator: Any, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    """Run a statement; what its parts have cost."""
    prepared = await administrator.prepare(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    return [each["Plan"] for each in json.loads(await prepared.fetchval(*arguments))]


@pytest.mark.parametrize("data", [b" 12", b"+5", b"12 ", b"1.0", b"0x10", b"1_000", b"12\n", b"", b"\xff", b"-"])
async def test_only_digits_are_a_number(dsn: str, data: bytes) -> None:
    async with create_store(dsn) as store:
        await store.create_table()
        await store.set("key", data)
        with pytest.raises(InvalidValueError) as caught:
            await store.increment("key")
        assert await store.get("key") == data
        cause = caught.value.__cause__
        assert not data.strip() or repr(data.decode(errors="replace")) not in f"{cause}"


@pytest.mark.parametrize("data, total", [(b"12", 13), (b"-12", -11), (b"0", 1)])
async def test_digits_are_a_number(dsn: str, data: bytes, total: int) -> None:
    async with create_store(dsn) as store:
        await store.create_table()
        await store.set("key", data)
        assert await store.increment("key") == total
