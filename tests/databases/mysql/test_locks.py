"""Locks of others, and deadlocks."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores import StoreTimeoutError
from tests.databases.mysql.clients import KEYS, Client, client, is_row, opened
from tests.waiting import until


async def test_a_row_that_others_lock_is_waited_for(url: str) -> None:
    async with opened(url, timeout=5) as store, client(url) as execute, client(url) as watch:
        await store.set_many({"locked": b"1", "free": b"1"}, expires_in=100)
        await execute("START TRANSACTION", f"SELECT 1 FROM litestar_session WHERE {is_row(store, 'locked')} FOR UPDATE")
        call = asyncio.ensure_future(store.set("locked", b"2", expires_in=100))
        # The server gives up waiting after a second, and the store tries again.
        await until(lambda: waits_for_a_lock(watch))
        assert await store.get("locked") == b"1"
        await asyncio.sleep(1.5)
        assert not call.done()
        await execute("COMMIT")
        await call
        assert await store.get("locked") == b"2"


async def test_a_call_that_timed_out_leaves_no_statement_behind(url: str) -> None:
    async with opened(url, timeout=1) as store, client(url) as execute, client(url) as watch:
        await store.set("locked", b"1")
        await execute("START TRANSACTION", f"SELECT 1 FROM litestar_session WHERE {is_row(store, 'locked')} FOR UPDATE")
        with pytest.raises(StoreTimeoutError, match="1 seconds"):
            await store.set("locked", b"2")
        # Long before the 50 seconds that a server waits by default; it cannot be written when the lock is gone.
        await until(lambda: has_no_statement(watch))
        await execute("COMMIT")
        assert await store.get("locked") == b"1"


async def waits_for_a_lock(execute: Client) -> bool:
    ((_, waiting),) = await execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
    return int(waiting) > 0


async def has_no_statement(execute: Client) -> bool:
    running = "SELECT 1 FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE '%INSERT INTO%'"
    return not await execute(running)


async def test_a_deadlock_is_tried_again(url: str) -> None:
    async with opened(url) as store, client(url) as execute, client(url) as watch:
        first, last = sorted(["a", "b"], key=store.digest)
        await store.set_many({first: b"1", last: b"1"})
        await execute("CREATE TABLE heavy (number INT)", "START TRANSACTION")
        # Who has written less is the one to lose.
        await execute(f"INSERT INTO heavy VALUES {','.join(f'({number})' for number in range(1000))}")
        await execute(f"SELECT 1 FROM litestar_session WHERE {is_row(store, last)} FOR UPDATE")
        deadlocks = await number_of_deadlocks(watch)
        call = asyncio.ensure_future(store.set_many({first: b"2", last: b"2"}))
        await until(lambda: waits_for_a_lock(watch))
        await execute(f"SELECT 1 FROM litestar_session WHERE {is_row(store, first)} FOR UPDATE", "COMMIT")
        await call
        assert await store.get_many([first, last]) == {first: b"2", last: b"2"}
        assert await number_of_deadlocks(watch) == deadlocks + 1


async def number_of_deadlocks(execute: Client) -> int:
    ((count,),) = await execute("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'")
    return int(count)


async def test_sets_of_many_stores_lock_no_gaps(url: str) -> None:
    """Under REPEATABLE READ, deletes of what is not there keep others from inserting beside it."""
    async with opened(url, timeout=3) as store, client(url) as execute:
        await execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION")
        await execute(f"DELETE FROM litestar_session WHERE {is_row(store, 'missing')}")
        await store.delete_many(KEYS)
        await store.set_many(dict.fromkeys(KEYS, b"1"))
        await execute("COMMIT")
