"""Opening and closing: a store closes what it opened, once nobody uses it, and never what was given to it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from litestar_sqlstores import ClosedError, create_store
from tests.backends import rows
from tests.contract.helpers import ALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Database, Store, Stores

pytestmark = pytest.mark.about("driver")


@pytest.fixture
async def owner(database: Database, data_format: Any) -> AsyncIterator[Store]:
    """A store that was made from a URL, in use and with its table."""
    store = create_store(database.url, table=database.table, data_format=data_format)
    async with store:
        await store.create_table()
        yield store
    await store.aclose()


async def application_query(store: Store) -> object:
    """A query of the application itself, on the pool of a config that it shares with the store."""
    async with store.config.provide_session() as session:
        return await session.select_value("SELECT 1")


# -- the pool


async def test_a_store_of_a_url_closes_its_pool(owner: Store) -> None:
    await owner.set("key", b"1")
    pool = owner.config.connection_instance
    assert pool is not None
    await owner.aclose()
    assert owner.config.connection_instance is None


async def test_a_store_of_a_config_leaves_the_pool_open(store: Store) -> None:
    await store.set("key", b"1")
    pool = store.config.connection_instance
    await store.aclose()
    assert store.config.connection_instance is pool
    assert await application_query(store) == 1
    assert len(await rows(store)) == 1


async def test_entering_and_leaving_closes_only_what_is_owned(owner: Store, stores: Stores) -> None:
    async with stores() as store:
        with suppress(Exception):  # in memory the table is another database's
            await store.get("key")
        pool = store.config.connection_instance
    assert store.config.connection_instance is pool is not None
    async with owner:
        await owner.get("key")
    assert owner.config.connection_instance is not None  # the fixture still uses it
    await owner.aclose()
    assert owner.config.connection_instance is None


async def test_an_idle_store_gives_its_connections_back(stores: Stores, store: Store) -> None:
    narrow = stores(pool_size=1)
    await asyncio.gather(*(narrow.set(str(number), b"1") for number in range(100)))
    async with asyncio.timeout(5):
        assert await application_query(narrow) == 1
    await narrow.aclose()
    async with asyncio.timeout(5):
        assert await application_query(narrow) == 1


# -- closed


async def test_a_closed_store_says_so(store: Store) -> None:
    child = store.with_namespace("child")
    await store.set("key", b"1")
    await store.aclose()
    for operation in ALL.values():
        with pytest.raises(ClosedError, match="enter it again"):
            await operation(store, "key")
        with pytest.raises(ClosedError):
            await operation(child, "key")
    for call in (store.create_table(), store.drop_table()):
        with pytest.raises(ClosedError):
            await call


async def test_a_closed_store_can_be_entered_again(store: Store) -> None:
    await store.set("key", b"1")
    for _ in range(3):
        await store.aclose()
        async with store as entered:
            assert entered is store
            assert await store.get("key") == b"1"
    with pytest.raises(ClosedError):
        await store.get("key")


async def test_closing_twice_or_unused_is_fine(stores: Stores, database: Database) -> None:
    for store in (stores(), create_store(database.url)):
        await store.aclose()
        await store.aclose()
        async with store:
            pass
        await store.aclose()


async def test_closing_answers_the_calls_under_way(store: Store) -> None:
    calls = [asyncio.ensure_future(store.set(f"{number}", b"1", expires_in=100)) for number in range(600)]
    await asyncio.sleep(0)
    await store.aclose()
    assert await asyncio.gather(*calls) == [None] * 600
    assert len(await rows(store, "namespace")) == 600


async def test_no_call_hangs_however_closing_meets_it(store: Store) -> None:
    for pause in range(6):
        calls = [asyncio.ensure_future(store.set(f"{number}", b"1")) for number in range(64)]
        for _ in range(pause):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await store.aclose()
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} <= {type(None), ClosedError}
        await store.__aenter__()


# -- who uses it


async def test_a_store_works_without_being_entered(stores: Stores) -> None:
    store = stores()
    await store.create_table()
    await store.set("key", b"1")
    await asyncio.sleep(0.1)  # the connection is given back meanwhile
    assert await store.get("key") == b"1"


async def test_leaving_a_child_does_not_close_its_parent(owner: Store) -> None:
    for namespace in ("a", "b"):
        async with owner.with_namespace(namespace) as child:
            await child.set("key", b"1")
        assert owner.config.connection_instance is not None
        assert await owner.get("key") is None


async def test_leaving_a_child_does_not_close_a_parent_that_was_never_entered(stores: Stores) -> None:
    store = stores()
    await store.create_table()
    async with store.with_namespace("child") as child:
        await child.set("key", b"1")
    assert await store.get("key") is None


async def test_leaving_the_parent_does_not_close_a_child_in_use(store: Store) -> None:
    async with store.with_namespace("child") as child:
        await store.__aexit__(None, None, None)
        await child.set("key", b"1")
        assert await child.get("key") == b"1"
        await store.__aenter__()


async def test_a_store_that_was_entered_twice_is_left_twice(owner: Store) -> None:
    async with owner:
        async with owner:
            await owner.set("key", b"1")
        assert await owner.get("key") == b"1"
    assert await owner.get("key") == b"1"
    assert owner.config.connection_instance is not None


async def test_namespaces_of_one_name_are_left_one_by_one(store: Store) -> None:
    one, other = store.with_namespace("child"), store.with_namespace("child")
    await store.__aexit__(None, None, None)
    async with one:
        async with other:
            await other.set("key", b"1")
        assert await one.get("key") == b"1"
    with pytest.raises(ClosedError):
        await one.get("key")
    await store.__aenter__()


async def test_litestar_opens_and_closes_the_stores_it_is_given(stores: Stores) -> None:
    store = stores()
    await store.create_table()
    registered: dict[str, Any] = {"one": store, "same": store, "child": store.with_namespace("child")}
    for _ in range(2):
        app = Litestar(stores=registered)
        async with AsyncTestClient(app):
            for name in registered:
                await app.stores.get(name).set("key", b"1")
                assert await app.stores.get(name).get("key") == b"1"
        # What was closed in the application's event loop opens in that of whoever looks after its end.
        assert await store.get("key") == b"1"


# -- event loops


def test_one_store_works_in_one_event_loop_after_another(database: Database, data_format: Any) -> None:
    store = create_store(database.url, table=database.table, data_format=data_format)

    async def run() -> None:
        async with store:
            await store.create_table()
            await asyncio.gather(*(store.set(str(number), b"1", expires_in=100) for number in range(64)))
            assert len(await store.get_many(map(str, range(64)), renew_for=200)) == 64

    for _ in range(3):
        asyncio.run(run())


def test_one_store_works_in_a_new_event_loop_if_the_old_one_did_not_close_it(
    database: Database, data_format: Any
) -> None:
    store = create_store(database.url, table=database.table, data_format=data_format, timeout=5)

    async def run() -> None:
        await store.create_table()
        await asyncio.gather(*(store.set(str(number), b"1", expires_in=100) for number in range(64)))
        assert len(await store.get_many(map(str, range(64)), renew_for=200)) == 64

    async def close() -> None:
        await run()
        await store.aclose()

    asyncio.run(run())
    asyncio.run(run())
    asyncio.run(close())
    gc.collect()  # what was not closed, with its event loop, would warn of that
