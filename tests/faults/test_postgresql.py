"""PostgreSQL behind a network, locks and a server that misbehave."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import StoreError, StoreTimeoutError, UnavailableError, create_store
from tests.faults.locks import connected, locked, somebody_waits
from tests.faults.proxy import Proxy
from tests.servers import PostgresServer
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from tests.backends import Store

TIMEOUT = 2.0
SLACK = 3.0
"""Seconds that a busy machine may add."""
HEALED = 5.0
"""Seconds within which a store works again."""


def through(proxy: Proxy, postgres: PostgresServer, dsn: str) -> str:
    return dsn.replace(f":{postgres.port}/", f":{proxy.port}/")


@pytest.fixture
def url(proxy: Proxy, postgres: PostgresServer, dsn: str) -> str:
    """The database behind the proxy."""
    return through(proxy, postgres, dsn)


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Store]:
    async with create_store(url, **options) as store:
        await store.create_table()
        yield store


async def works_again(store: Store) -> float:
    """Call until that succeeds; returns how many seconds it took."""
    started = time.monotonic()
    while True:
        try:
            await store.set("healed", b"1")
            assert await store.get("healed") == b"1"
        except StoreError:
            assert time.monotonic() - started < PATIENCE
        else:
            return time.monotonic() - started


async def in_time(store: Store, seconds: float = TIMEOUT + SLACK) -> None:
    """Close, within a time."""
    async with asyncio.timeout(seconds):
        await store.aclose()


# -- replies are lost


async def test_a_set_whose_reply_was_lost_does_not_undo_what_others_wrote(url: str, dsn: str, proxy: Proxy) -> None:
    async with opened(url) as store, create_store(dsn) as other:
        await store.set("cart", b"[]")
        proxy.lose_reply = True
        proxy.hold()
        call = asyncio.ensure_future(store.set("cart", b"[1]"))
        await proxy.replies_lost.wait()
        await other.set("cart", b"[1,2]")
        proxy.release()
        with pytest.raises(UnavailableError) as caught:
            await call
        assert caught.value.outcome_unknown
        assert await store.get("cart") == b"[1,2]"


WRITES: dict[str, Callable[[Store], Coroutine[Any, Any, Any]]] = {
    "set": lambda store: store.set("key", b"2"),
    "set keeping its ttl": lambda store: store.set("key", b"2", keep_ttl=True),
    "delete": lambda store: store.delete("key"),
    "renew": lambda store: store.renew("key", 1000),
    "replace": lambda store: store.replace("key", b"2"),
    "increment": lambda store: store.increment("key"),
    "clear": lambda store: store.clear(),
}


@pytest.mark.parametrize("write", WRITES)
async def test_no_write_whose_reply_was_lost_runs_twice(url: str, proxy: Proxy, dsn: str, write: str) -> None:
    async with opened(url) as store, connected(dsn) as connection:
        # Once, so that the statement is prepared, and its reply is what gets lost.
        await store.set("key", b"1")
        await WRITES[write](store)
        await store.set("key", b"1", expires_in=100)
        await connection.execute(
            "CREATE TABLE counted (); CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO counted DEFAULT VALUES; RETURN COALESCE(NEW, OLD); END $$;"
            "CREATE TRIGGER counts BEFORE UPDATE OR DELETE ON litestar_session FOR EACH ROW EXECUTE FUNCTION count_it()"
        )
        proxy.lose_reply = True
        with pytest.raises(UnavailableError) as caught:
            await WRITES[write](store)
        assert caught.value.outcome_unknown
        assert "may have taken effect" in str(caught.value)
        assert await connection.fetchval("SELECT count(*) FROM counted") == 1
        await works_again(store)


READS: dict[str, Callable[[Store], Coroutine[Any, Any, Any]]] = {
    "get": lambda store: store.get("key"),
    "get and renew": lambda store: store.get("key", renew_for=1000),
    "exists": lambda store: store.exists("key"),
    "stats": lambda store: store.stats(),
}


@pytest.mark.parametrize("read", READS)
async def test_reads_whose_reply_was_lost_are_repeated(url: str, proxy: Proxy, read: str) -> None:
    async with opened(url) as store:
        await store.set("key", b"1", expires_in=100)
        for cut in (None, 5):
            proxy.lose_reply = cut is None
            proxy.cut_after = cut
            call = asyncio.ensure_future(READS[read](store))
            await asyncio.sleep(0.1)
            proxy.heal()
            assert await call
        if read == "get and renew":
            assert await store.expires_in("key") in range(990, 1001)


async def test_what_was_lost_with_its_connection_is_dead_before_others_write_its_keys(
    url: str, dsn: str, proxy: Proxy
) -> None:
    """The server does not notice that the client has gone: its process waits for a lock."""
    async with opened(url, timeout=PATIENCE) as store:
        first, last = sorted("ab", key=store.digest)
        await store.set_many({first: b"0", last: b"0"})
        async with locked(dsn, store, first) as holder:
            lost = asyncio.gather(store.set(first, b"old"), store.set(last, b"old"), return_exceptions=True)
            await somebody_waits(holder)
            proxy.reset()
            assert [type(error) for error in await lost] == [UnavailableError] * 2
            await store.set(last, b"new")
        await asyncio.sleep(0.2)
        assert await store.get(last) == b"new"


async def test_a_write_that_timed_out_is_dead_before_others_write_its_keys(dsn: str) -> None:
    async with opened(dsn, timeout=TIMEOUT) as store:
        first, last = sorted("ab", key=store.digest)
        await store.set_many({first: b"0", last: b"0"})
        async with locked(dsn, store, first):
            errors = await asyncio.gather(store.set(first, b"old"), store.set(last, b"old"), return_exceptions=True)
            assert [type(error) for error in errors] == [StoreTimeoutError] * 2
            assert all(error.outcome_unknown for error in errors if isinstance(error, StoreTimeoutError))
            await store.set(last, b"new")
        await asyncio.sleep(0.2)
        assert await store.get(last) == b"new"


# -- packets are swallowed


async def test_a_server_that_takes_connections_and_never_answers(url: str, proxy: Proxy) -> None:
    store = create_store(url, timeout=TIMEOUT)
    await store.create_table()
    proxy.blackhole = True
    proxy.reset()
    for call in (store.get("key"), store.set("key", b"1")):
        started = time.monotonic()
        with pytest.raises(StoreError) as caught:
            await call
        assert not caught.value.outcome_unknown
        assert time.monotonic() - started < TIMEOUT + SLACK
    proxy.heal()
    assert await works_again(store) < HEALED
    await in_time(store)


async def test_a_store_that_has_never_reached_its_server(url: str, proxy: Proxy) -> None:
    proxy.blackhole = True
    store = create_store(url, timeout=TIMEOUT)
    with pytest.raises(StoreTimeoutError):
        await store.create_table()
    proxy.heal()
    await store.create_table()
    assert await works_again(store) < HEALED
    proxy.blackhole = True
    await in_time(store)


async def test_statements_that_are_swallowed(url: str, proxy: Proxy) -> None:
    store = create_store(url, timeout=TIMEOUT)
    await store.create_table()
    await store.set("key", b"1")
    proxy.blackhole = True
    started = time.monotonic()
    answers = await asyncio.gather(store.get("key"), store.set("other", b"2"), return_exceptions=True)
    assert time.monotonic() - started < TIMEOUT + SLACK
    assert [isinstance(answer, StoreError) for answer in answers] == [True, True]
    proxy.heal()
    assert await works_again(store) < HEALED
    await in_time(store)


async def test_a_connection_that_dies_while_the_pool_takes_it_back_costs_no_lane(url: str, proxy: Proxy) -> None:
    store = create_store(url, timeout=TIMEOUT, max_connections=1)
    await store.create_table()
    for _ in range(3):
        proxy.swallow = lambda data: b"RESET ALL" in data
        assert await store.get("key") is None
        # It goes back soon after the work ends.
        await asyncio.sleep(0.2)
        assert await works_again(store) < HEALED
        proxy.heal()
    proxy.swallow = lambda data: b"RESET ALL" in data
    await store.get("key")
    await in_time(store)


async def test_closing_a_pool_whose_server_does_not_answer(url: str, proxy: Proxy) -> None:
    store = create_store(url, timeout=TIMEOUT)
    await store.create_table()
    await asyncio.gather(*(store.get(f"{number}") for number in range(500)))
    proxy.blackhole = True
    await in_time(store)


async def test_a_slow_network_costs_no_answer(url: str, proxy: Proxy) -> None:
    async with opened(url) as store:
        proxy.delay = 0.02
        await asyncio.gather(*(store.set(f"{number}", f"{number}") for number in range(200)))
        found = await store.get_many(f"{number}" for number in range(200))
        assert found == {f"{number}": f"{number}".encode() for number in range(200)}


# -- servers go, and come back as others


async def test_reads_and_what_was_not_sent_outlive_a_server_that_is_away_for_less_than_their_timeout(
    url: str, proxy: Proxy
) -> None:
    async with opened(url, timeout=PATIENCE) as store:
        await store.set("key", b"1")
        proxy.refuse()
        proxy.reset()
        calls = asyncio.gather(store.get("key"), store.get("key", renew_for=10), store.set("other", b"2"))
        await asyncio.sleep(1)
        assert not calls.done()
        await proxy.accept()
        plain, renewed, _ = await calls
        assert plain == renewed == b"1"


async def test_a_server_that_became_read_only_is_left(postgres: PostgresServer, dsn: str) -> None:
    async with opened(dsn, timeout=PATIENCE) as store:
        await store.set("key", b"1", expires_in=100)
        database = dsn.rpartition("/")[2]
        # For sessions that begin, as at a failover, where one server takes no writes any more, and another one does.
        postgres.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        async with connected(dsn) as connection:
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            calls = asyncio.gather(store.set("key", b"2"), store.get("key", renew_for=1000))
            await asyncio.sleep(1)
            assert not calls.done()
            await connection.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        await calls
        assert await store.get("key") == b"2"


async def test_a_server_that_stays_read_only_is_said_to_be_unavailable(postgres: PostgresServer, dsn: str) -> None:
    async with opened(dsn):
        pass
    postgres.execute(f"ALTER DATABASE {dsn.rpartition('/')[2]} SET default_transaction_read_only = on")
    async with create_store(dsn, timeout=TIMEOUT) as store:
        assert await store.get("key") is None
        with pytest.raises(UnavailableError, match="takes no writes") as caught:
            await store.set("key", b"1")
        assert not caught.value.outcome_unknown


@pytest.mark.parametrize("command", ["DEALLOCATE ALL", "DISCARD ALL"])
async def test_a_connection_whose_statements_were_taken_away(dsn: str, command: str) -> None:
    async with opened(dsn, max_connections=1) as store:
        await store.set("key", b"1")
        await asyncio.sleep(0.2)
        for _ in range(3):
            async with store.config.provide_connection() as connection:
                await connection.execute(command)
            assert await store.get("key") == b"1"
            await store.set("key", b"1", expires_in=100)


# -- expiry is judged behind the lock


LATE: dict[str, Callable[[Store], Coroutine[Any, Any, Any]]] = {
    "renew": lambda store: store.renew("key", 1000),
    "get and renew": lambda store: store.get("key", renew_for=1000),
    "replace": lambda store: store.replace("key", b"2", expires_in=1000),
    "replace what is expected": lambda store: store.replace("key", b"2", expires_in=1000, expected=b"1"),
}


@pytest.mark.parametrize("call", LATE)
@pytest.mark.parametrize("data_format", ["bytes", "json"])
async def test_what_others_have_seen_expire_does_not_come_back(dsn: str, call: str, data_format: Any) -> None:
    async with opened(dsn, data_format=data_format) as store:
        await store.set("key", b"1", expires_in=1)
        async with locked(dsn, store, "key") as holder:
            late = asyncio.ensure_future(LATE[call](store))
            await somebody_waits(holder)
            async with create_store(dsn, data_format=data_format) as other:

                async def expired() -> bool:
                    return await other.get("key") is None

                await until(expired)
        answer = await late
        assert answer in {None, False}
        assert await store.get("key") is None


async def test_a_number_that_expired_behind_a_lock_starts_again(dsn: str) -> None:
    async with opened(dsn) as store:
        await store.increment("key", 41, expires_in=1)
        async with locked(dsn, store, "key") as holder:
            late = asyncio.ensure_future(store.increment("key", expires_in=1000))
            await somebody_waits(holder)
            await asyncio.sleep(1.1)
        assert await late == 1
        assert await store.expires_in("key") in range(990, 1001)


async def test_a_value_that_expired_behind_a_lock_gives_its_expiry_to_nobody(dsn: str) -> None:
    async with opened(dsn) as store:
        await store.set("key", b"1", expires_in=1)
        async with locked(dsn, store, "key") as holder:
            late = asyncio.ensure_future(store.set("key", b"2", keep_ttl=True))
            await somebody_waits(holder)
            await asyncio.sleep(1.1)
        await late
        assert await store.get("key") == b"2"
        assert await store.expires_in("key") == -1


async def test_a_time_to_live_begins_when_the_value_is_stored(dsn: str) -> None:
    async with opened(dsn) as store:
        await store.set("key", b"1")
        async with locked(dsn, store, "key") as holder:
            late = asyncio.ensure_future(store.set("key", b"2", expires_in=3))
            await somebody_waits(holder)
            await asyncio.sleep(1.1)
        await late
        assert await store.expires_in("key") in {2, 3}
