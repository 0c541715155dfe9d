"""Locks of others, and deadlocks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import StoreTimeoutError
from tests.databases.mysql.clients import KEYS, Client, client, configured, is_row, opened
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


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
    # Time enough for another connection to be made, on a busy machine.
    async with opened(url, timeout=3) as store, client(url) as execute, client(url) as watch:
        await store.set("locked", b"1")
        await execute("START TRANSACTION", f"SELECT 1 FROM litestar_session WHERE {is_row(store, 'locked')} FOR UPDATE")
        with pytest.raises(StoreTimeoutError, match="3 seconds"):
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


# -- what expires while a statement waits for its lock


@pytest.mark.parametrize(
    "time_zone", ["'-11:30'", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("'+00:00'", "'SYSTEM'"))]
)
@pytest.mark.parametrize("change", ["renew", "get", "replace"])
async def test_what_has_expired_behind_a_lock_does_not_come_back(url: str, change: str, time_zone: str) -> None:
    """Others have seen it expire. The clock of a statement's start says that it is alive."""
    begin = f"SET time_zone = {time_zone}"
    async with opened(url) as other, client(url) as execute, configured(url, init_command=begin) as store:
        await other.set("session", b"1", expires_in=1.0)
        await execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION")
        await execute(
            f"SELECT 1 FROM litestar_session FORCE INDEX (PRIMARY) WHERE {is_row(store, 'session')} FOR UPDATE"
        )
        changes: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "renew": lambda: store.renew("session", 1000),
            "get": lambda: store.get("session", renew_for=1000),
            "replace": lambda: store.replace("session", b"2", expires_in=1000),
        }
        call = asyncio.ensure_future(changes[change]())
        await until(lambda: waits_for_a_lock(execute))

        async def is_gone() -> bool:
            return await other.get("session") is None

        await until(is_gone)
        await execute("COMMIT")
        found = await call
        assert await other.get("session") is None
        assert change != "replace" or found is False


async def test_what_is_alive_behind_a_lock_is_renewed_and_replaced_in_every_time_zone(url: str) -> None:
    async with configured(url, init_command="SET time_zone = '+13:00'") as store:
        for key in ("renewed", "replaced"):
            await store.set(key, b"1", expires_in=100)
        assert await store.renew("renewed", 1000)
        assert await store.replace("replaced", b"2", expires_in=1000)
        for key in ("renewed", "replaced"):
            assert 990 <= (await store.expires_in(key) or 0) <= 1000
