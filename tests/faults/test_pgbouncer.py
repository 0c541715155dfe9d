"""PostgreSQL behind PgBouncer, with URLs as anybody writes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import StoreTimeoutError, create_store
from tests.faults.locks import locked, somebody_waits
from tests.servers import PostgresServer, require
from tests.servers.pgbouncer import PgBouncer

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLERS = 16


@pytest.fixture(scope="module", params=["transaction", "session"])
def pooler(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[PgBouncer]:
    with require(lambda: PgBouncer(postgres, request.param)) as pooler:
        yield pooler


@pytest.fixture
def url(pooler: PgBouncer, postgres: PostgresServer, dsn: str) -> str:
    return dsn.replace(f":{postgres.port}/", f":{pooler.port}/")


async def test_every_call_of_several_stores_succeeds(url: str) -> None:
    stores = [create_store(url, timeout=60, max_connections=2) for _ in range(3)]
    await stores[0].create_table()

    async def call(caller: int) -> int:
        store, key = stores[caller % len(stores)], f"key {caller}"
        for number in range(25):
            value = f"{number}".encode()
            await store.set(key, value, expires_in=100)
            assert await store.get(key) == value
            assert await store.get(key, renew_for=1000 + number * 50) == value
            assert await store.increment(f"number {caller}") == number + 1
        return 25

    assert sum(await asyncio.gather(*map(call, range(CALLERS)))) == 25 * CALLERS
    await asyncio.gather(*(store.aclose() for store in stores))


async def test_everything_else_works_too(url: str) -> None:
    async with create_store(url, max_connections=2) as store:
        await store.create_table()
        await store.check_table()
        await store.set_many({f"{number}": b"1" for number in range(100)}, expires_in=0.01, owner="ada")
        await store.set_many({f"{number}": b"1" for number in range(100, 200)}, expires_in=100, owner="ada")
        await asyncio.sleep(0.02)
        assert await store.delete_expired() == 100
        assert len(await store.list_owned("ada", limit=1000)) == 100
        assert await store.replace("100", b"2", expected=b"1")
        assert await store.clear() == 100
        await store.drop_table()


async def test_what_timed_out_is_cancelled_through_the_pooler(url: str, dsn: str) -> None:
    async with create_store(url, timeout=2, max_connections=2) as store:
        await store.create_table()
        first, last = sorted("ab", key=store.digest)
        await store.set_many({first: b"0", last: b"0"})
        async with locked(dsn, store, first) as holder:
            late = asyncio.gather(store.set(first, b"old"), store.set(last, b"old"), return_exceptions=True)
            await somebody_waits(holder)
            assert [type(error) for error in await late] == [StoreTimeoutError] * 2
            await store.set(last, b"new")
        await asyncio.sleep(0.2)
        assert await store.get(last) == b"new"
