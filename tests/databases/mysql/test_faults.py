"""Networks that swallow and lose packets, statements that are given up, and servers that take no writes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from litestar_sqlstores import StoreError, StoreTimeoutError, UnavailableError, create_store
from litestar_sqlstores.backends.mysql_sessions import end_session, session_of
from proofs.proxy import Mode, Proxy
from tests.databases.mysql.clients import KEYS, Client, client, is_row, opened
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Store
    from tests.databases.mysql.servers import Disguised

TIMEOUT = 2.0
HEALING = 5.0


@pytest.fixture(params=["aiomysql", "asyncmy"])
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@asynccontextmanager
async def behind_a_proxy(url: str, driver: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the server of a URL, and the URL through it."""
    port = urlsplit(url).port or 0
    async with Proxy(port) as proxy:
        yield proxy, with_driver(url, driver).replace(f":{port}/", f":{proxy.port}/")


def with_driver(url: str, driver: str) -> str:
    return url.replace("mysql:", f"mysql+{driver}:")


@asynccontextmanager
async def lock_on(url: str, store: Store, key: str) -> AsyncIterator[Client]:
    """Hold a row until the client is told COMMIT."""
    async with client(url) as execute:
        await execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION")
        await execute(f"SELECT 1 FROM litestar_session FORCE INDEX (PRIMARY) WHERE {is_row(store, key)} FOR UPDATE")
        yield execute


async def sessions(execute: Client, user: str = "%") -> list[int]:
    """The sessions of others in this database."""
    others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    return [number for (number,) in await execute(f"{others} AND user LIKE '{user}'")]


async def within(seconds: float, call: Any) -> object:
    """The answer or the error of a call, which must come in time."""
    async with asyncio.timeout(seconds):
        try:
            return await call
        except StoreError as error:
            return error


# -- networks


@pytest.mark.parametrize("mode", ["swallow", "swallow replies"])
@pytest.mark.parametrize("phase", ["connect", "statement", "rest"])
async def test_a_store_outlives_a_network_that_swallows_packets(
    private: Disguised, driver: str, mode: Mode, phase: str
) -> None:
    url = private.create_database()
    async with behind_a_proxy(url, driver) as (proxy, through), client(url) as execute:
        store = create_store(through, timeout=TIMEOUT)
        await store.create_table()
        await store.set_many(dict.fromkeys(KEYS, b"1"))
        if phase == "connect":
            proxy.reset()
        elif phase == "rest":
            await asyncio.sleep(0.2)  # the connections are in the pool
        calls = [asyncio.ensure_future(within(TIMEOUT + 1, store.get(key))) for key in KEYS[:9]]
        if phase == "statement":
            await asyncio.sleep(0)
        proxy.mode = mode
        calls.append(asyncio.ensure_future(within(TIMEOUT + 1, store.set(KEYS[0], b"2"))))
        assert all(
            isinstance(answer, StoreError) or answer in (b"1", b"2", None) for answer in await asyncio.gather(*calls)
        )
        proxy.mode = "pass"

        async def works() -> bool:
            return isinstance(await within(TIMEOUT + 1, store.get(KEYS[1])), bytes)

        await until(works, HEALING)
        await until(lambda: is_stored(store, KEYS[0], b"3"), HEALING)
        async with asyncio.timeout(TIMEOUT + 1):
            await store.aclose()
        await until(lambda: is_alone(execute))
        await until(lambda: has_no_links(proxy))


async def is_stored(store: Store, key: str, value: bytes) -> bool:
    await within(TIMEOUT + 1, store.set(key, value))
    return await within(TIMEOUT + 1, store.get(key)) == value


async def is_alone(execute: Client) -> bool:
    return not await sessions(execute)


async def has_no_links(proxy: Proxy) -> bool:
    return not proxy.links


async def test_a_store_closes_while_the_network_swallows_packets(private: Disguised, driver: str) -> None:
    url = private.create_database()
    async with behind_a_proxy(url, driver) as (proxy, through):
        store = create_store(through, timeout=TIMEOUT)
        await store.create_table()
        proxy.mode = "swallow"
        call = asyncio.ensure_future(within(TIMEOUT + 1, store.get("key")))
        await asyncio.sleep(0)
        async with asyncio.timeout(TIMEOUT + 3):
            await store.aclose()
        assert isinstance(await call, StoreError)


async def test_a_write_whose_reply_was_lost_is_not_written_again(private: Disguised, driver: str) -> None:
    """Others see it, and write on top of it."""
    url = private.create_database()
    async with behind_a_proxy(url, driver) as (proxy, through), opened(url) as other, create_store(through) as store:
        await other.set("cart", b"[]")
        await store.get("cart")
        proxy.mode = "lose replies"
        call = asyncio.ensure_future(store.set("cart", b"[1]"))

        async def is_there() -> bool:
            return await other.get("cart") == b"[1]"

        await until(is_there)
        await other.set("cart", b"[1, 2]")
        proxy.mode = "pass"
        with pytest.raises(UnavailableError, match="may have taken effect") as caught:
            await call
        assert caught.value.outcome_unknown
        assert await store.get("cart") == b"[1, 2]"


async def test_reads_are_repeated_when_replies_are_lost(private: Disguised, driver: str) -> None:
    async with behind_a_proxy(private.create_database(), driver) as (proxy, through), opened(through) as store:
        await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=600)
        proxy.mode = "cut replies"
        calls = asyncio.gather(*(store.get(key, renew_for=1200) for key in KEYS))
        await asyncio.sleep(0.1)
        proxy.mode = "pass"
        assert await calls == [b"1"] * len(KEYS)


# -- statements that are given up


async def test_a_statement_that_was_given_up_writes_nothing_later(url: str, driver: str) -> None:
    """What was stored and acknowledged after it would be undone when the lock goes."""
    async with opened(with_driver(url, driver), timeout=TIMEOUT) as store:
        first, last = sorted("ab", key=store.digest)
        await store.set_many({first: b"0", last: b"0"})
        async with lock_on(url, store, first) as execute:
            before = set(await sessions(execute))
            errors = await asyncio.gather(store.set(first, b"old"), store.set(last, b"old"), return_exceptions=True)
            assert all(isinstance(error, StoreTimeoutError) and error.outcome_unknown for error in errors)
            # Its key is free once the statement is dead, and not before.
            await store.set(last, b"new")
            assert not {number for number in await sessions(execute) if number in before} & set(await waiting(execute))
            await execute("COMMIT")
            await asyncio.sleep(0.5)
        assert await store.get_many([first, last]) == {first: b"0", last: b"new"}


async def waiting(execute: Client) -> list[int]:
    """The sessions that run a statement which writes."""
    running = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE '%INSERT INTO%'"
    return [number for (number,) in await execute(running)]


async def test_no_privilege_is_needed_to_end_a_session_of_ones_own(private: Disguised, driver: str) -> None:
    url = private.create_database()
    name = urlsplit(url).path[1:]
    user = f"app_{driver}"
    async with opened(url) as creator, client(url) as execute:
        await execute(
            f"CREATE OR REPLACE USER {user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.litestar_session TO {user}",
        )
        await creator.set("key", b"0")
        mine = with_driver(url, driver).replace("root@", f"{user}@")
        async with create_store(mine, timeout=1) as store, lock_on(url, creator, "key") as lock:
            with pytest.raises(StoreTimeoutError):
                await store.set("key", b"old")

            async def is_idle() -> bool:
                return not await waiting(lock)

            await until(is_idle)
            await lock("COMMIT")
            await store.set("key", b"new")
            assert await creator.get("key") == b"new"


async def test_only_the_very_session_is_ended(url: str) -> None:
    """Another server, or the same one after a restart, may have a session of that number."""
    async with opened(url) as store, client(url) as victim:
        await store.get("key")
        backend: Any = store._backend
        async with backend.connect() as connection:
            session = await session_of(backend._statements, victim.connection)
            server = session.server
            for other in (
                session._replace(started=session.started - 60),
                session._replace(server=server._replace(host="another")),
                session._replace(server=server._replace(port=server.port + 1)),
                session._replace(number=session.number + 1_000_000),
            ):
                await end_session(backend._statements, connection, other)
                assert await victim("SELECT 1") == [(1,)]
            await end_session(backend._statements, connection, session)
            with pytest.raises(Exception, match=r"Lost connection|was killed|Packet sequence"):
                await victim("SELECT 1")


async def test_a_query_that_an_administrator_killed_is_repeated(url: str, driver: str) -> None:
    async with opened(with_driver(url, driver)) as store:
        await store.set("key", b"0")
        async with lock_on(url, store, "key") as execute:
            call = asyncio.ensure_future(store.set("key", b"1"))
            await until(lambda: waiting(execute))
            (number,) = await waiting(execute)
            await execute(f"KILL QUERY {number}")
            await asyncio.sleep(0.1)
            await execute("COMMIT")
        await call
        assert await store.get("key") == b"1"


# -- servers that take no writes


async def test_a_server_that_takes_no_writes_is_left_and_writes_wait_for_one_that_does(
    private: Disguised, driver: str
) -> None:
    url = private.create_database()
    name, user = urlsplit(url).path[1:], f"writer_{driver}"
    async with opened(url), client(url) as execute:
        await execute(
            f"CREATE OR REPLACE USER {user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.litestar_session TO {user}",
        )
        mine = with_driver(url, driver).replace("root@", f"{user}@")
        async with create_store(mine, timeout=TIMEOUT) as store:
            await store.set("key", b"1")
            before = await sessions(execute, user)
            await execute("SET GLOBAL read_only = 1")
            try:
                with pytest.raises(UnavailableError, match="takes no writes") as caught:
                    await store.set("key", b"2")
                assert not caught.value.outcome_unknown
                assert await store.get("key") == b"1"
                # All of its connections, the ones at rest too: after a failover, they lead to a replica for ever.
                assert not set(before) & set(await sessions(execute, user))
                calls = [
                    asyncio.ensure_future(call)
                    for call in (store.set("key", b"3"), store.increment("number"), store.delete("other"))
                ]
                await asyncio.sleep(0.3)
            finally:
                await execute("SET GLOBAL read_only = 0")
            await asyncio.gather(*calls)
            assert await store.get_many(["key", "number"]) == {"key": b"3", "number": b"1"}
