"""One store, several event loops and threads: one of them makes the calls of all."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ClosedError, MissingTableError, ScheduledCleanup, create_store
from tests.contract.helpers import ALL
from tests.unit.threads import PATIENCE, LoopThread, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.backends import Database, Store

pytestmark = pytest.mark.about("driver")


@pytest.fixture
def application() -> Iterator[LoopThread]:
    """An event loop that runs elsewhere."""
    with LoopThread() as thread:
        yield thread


@pytest.fixture
def served(database: Database, data_format: Any, application: LoopThread) -> Iterator[Store]:
    """A store of a URL that was entered in the application's event loop, and its table."""
    store = create_store(database.url, table=database.table, data_format=data_format)
    application.call(store.__aenter__)
    application.call(store.create_table)
    yield store
    application.call(store.__aexit__, None, None, None)


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
def test_every_operation_works_from_another_event_loop(served: Store, application: LoopThread, operation: Any) -> None:
    asyncio.run(served.set("key", b"1", expires_in=100))
    expected = application.call(operation, served, "key")
    asyncio.run(served.set("key", b"1", expires_in=100))
    found = asyncio.run(operation(served, "key"))
    assert type(found) is type(expected)
    in_thread(lambda: asyncio.run(operation(served.with_namespace("child"), "key"))).result(PATIENCE)


def test_all_else_works_from_another_event_loop(served: Store) -> None:
    async def use(store: Store) -> None:
        await store.check_table()
        assert await store.increment("number") == 1
        assert not await store.replace("key", b"2", expected=b"1")
        await store.set("key", b"1", expires_in=100, owner="alice")
        assert len(await store.list_owned("alice")) == 1
        assert await store.delete_owned("alice") == 1
        assert await store.inspect("number")
        assert {each.namespace for each in await store.stats()} == {store.namespace}
        assert await store.namespaces() == [store.namespace]
        assert await store.clear() == 1
        assert await store.schema_difference() == []

    asyncio.run(use(served))
    in_thread(lambda: asyncio.run(use(served))).result(PATIENCE)


def test_threads_work_at_a_time(served: Store, application: LoopThread) -> None:
    async def use(name: int) -> None:
        for round_number in range(5):
            mine = {f"{name}-{number}": b"%d" % (1000 * name + number + round_number) for number in range(40)}
            await served.set_many(mine, expires_in=100)
            assert await served.get_many(mine, renew_for=200) == mine
            await served.delete(f"{name}-0")
            assert not await served.exists(f"{name}-0")

    others = [in_thread(lambda name=name: asyncio.run(use(name))) for name in range(1, 4)]  # type: ignore[misc]
    application.call(use, 0)
    for other in others:
        other.result(PATIENCE)
    assert len(application.call(served.get_many, [f"{name}-1" for name in range(4)])) == 4


def test_it_is_left_and_closed_from_another_event_loop(
    database: Database, data_format: Any, application: LoopThread
) -> None:
    store = create_store(database.url, table=database.table, data_format=data_format)

    async def use() -> None:
        async with store:
            await store.create_table()
            await store.set("key", b"1")

    async def close() -> None:
        await store.aclose()
        with pytest.raises(ClosedError):
            await store.get("key")

    application.call(use)
    for _ in range(10):
        application.call(store.__aenter__)
        # The home closes what it has a little later, when it may have been entered again.
        asyncio.run(store.__aexit__(None, None, None))
        application.call(store.__aenter__)
        application.call(store.create_table)
        asyncio.run(close())
    with pytest.raises(ClosedError):
        application.call(store.get, "key")


def test_cleanup_stops_from_another_event_loop(served: Store, application: LoopThread) -> None:
    cleanup = ScheduledCleanup(served, interval=0.01, jitter=0)
    asyncio.run(served.set("key", b"1", expires_in=0.05))
    application.call(cleanup.__aenter__)
    end = time.monotonic() + PATIENCE
    while asyncio.run(served.inspect("key")):
        assert time.monotonic() < end
        time.sleep(0.05)
    asyncio.run(cleanup.__aexit__(None, None, None))
    asyncio.run(cleanup.__aexit__(None, None, None))


def test_what_is_seen_after_the_end_of_the_event_loop(database: Database, data_format: Any) -> None:
    store = create_store(database.url, table=database.table, data_format=data_format)
    child = store.with_namespace("child")
    in_memory = database.url == "sqlite://"

    async def use() -> None:
        async with store, child:
            await store.create_table()
            await child.set("key", b"1")

    with LoopThread() as application:
        application.call(use)
    if in_memory:
        with pytest.raises(MissingTableError):
            asyncio.run(child.get("key"))
        asyncio.run(store.aclose())  # what is in memory outlives event loops
        return
    for _ in range(3):
        assert asyncio.run(child.get("key")) == b"1"
        assert asyncio.run(store.get("key")) is None


def test_an_event_loop_that_ends_leaves_nothing_open(database: Database, data_format: Any) -> None:
    store = create_store(database.url, table=database.table, data_format=data_format)

    async def use() -> int:
        await store.create_table()
        await store.set("key", b"1")
        return threading.active_count()

    threads = threading.active_count()
    for _ in range(3):
        asyncio.run(use())
        if database.url != "sqlite://":  # what is in memory stays for the next one
            assert store.config.connection_instance is None
            end = time.monotonic() + PATIENCE
            while threading.active_count() > threads:  # one that has nothing more to do ends by itself
                assert time.monotonic() < end, threading.enumerate()
                time.sleep(0.01)
    asyncio.run(store.aclose())
    gc.collect()  # what was not closed would warn of that
