"""Connections that end, and servers."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from litestar_sqlstores import (
    ConfigurationError,
    UnavailableError,
    create_store,
)
from litestar_sqlstores.coalescing.lanes import LINGER_SECONDS
from tests.databases.mysql.clients import KEYS, client, opened
from tests.databases.mysql.servers import Disguised
from tests.servers import MariaDBServer
from tests.waiting import until


async def test_connections_that_are_killed_are_replaced(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        mine = (
            "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE() ORDER BY id"
        )
        for number in range(10):
            calls = [asyncio.ensure_future(store.set(key, str(number), expires_in=100)) for key in KEYS]
            await asyncio.sleep(0.001 * number)
            killed = (await execute(mine))[0]
            await execute(f"KILL {killed[0]}")
            for error in await asyncio.gather(*calls, return_exceptions=True):
                # What was under way on that connection may have been stored, and is not tried again.
                assert error is None or (isinstance(error, UnavailableError) and error.outcome_unknown), error
            allowed = {str(number).encode(), str(number - 1).encode()} if number else {b"0"}
            assert set((await store.get_many(KEYS)).values()) <= allowed
            await store.set_many(dict.fromkeys(KEYS, str(number)), expires_in=100)
            assert set((await store.get_many(KEYS)).values()) == {str(number).encode()}

            # The one that was killed may be at rest in a lane, which gives it back to the pool, which throws it away.
            async def is_gone(killed: tuple[int] = killed) -> bool:
                return killed not in await execute(mine)

            await until(is_gone)
            await asyncio.sleep(LINGER_SECONDS * 2)


@pytest.mark.parametrize("driver", ["aiomysql", "asyncmy"])
async def test_a_server_that_was_away_is_used_again(private: MariaDBServer, driver: str) -> None:
    url = private.create_database().replace("mysql:", f"mysql+{driver}:")
    async with opened(url, timeout=1) as store:
        await store.set("key", b"1")
        await asyncio.to_thread(private.kill)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await store.get("key")
            with pytest.raises(UnavailableError):
                await store.set("key", b"2")
        await asyncio.to_thread(private.start)
        assert await store.get("key") == b"1"
        await asyncio.gather(*(store.set(key, b"1") for key in KEYS))


async def test_a_server_that_is_too_old_is_refused_at_the_first_use(private: Disguised) -> None:
    url = private.create_database()
    try:
        for version, expected in (
            ("10.5.27-MariaDB", r"MariaDB 10\.5\.27-MariaDB, which is too old.*MySQL 8\.0\.19 or MariaDB 10\.6"),
            ("8.0.18-log", r"MySQL 8\.0\.18-log, which is too old"),
        ):
            private.version = version
            await asyncio.to_thread(private.restart)
            async with create_store(url) as store:
                with pytest.raises(ConfigurationError, match=expected):
                    await store.create_table()
                answers = await asyncio.gather(*(store.get(key) for key in KEYS), return_exceptions=True)
                assert {type(answer) for answer in answers} == {ConfigurationError}
                assert len({id(answer) for answer in answers}) == len(KEYS)
        private.version = "10.6.0-MariaDB-log"
        await asyncio.to_thread(private.restart)
        async with opened(url) as store:
            await store.set("key", b"1")
            assert await store.get("key") == b"1"
    finally:
        private.version = ""
        await asyncio.to_thread(private.restart)


async def test_a_socket_will_do(private: MariaDBServer) -> None:
    assert private.directory is not None
    url = urlsplit(private.create_database())
    async with opened(f"mysql://root@{url.path}?unix_socket={private.directory / 'socket'}&charset=utf8mb4") as store:
        await store.set("key", b"1")
        assert await store.get("key") == b"1"
