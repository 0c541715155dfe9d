"""What the options of a URL do with a server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import create_store
from tests.backends import BACKENDS

if TYPE_CHECKING:
    from tests.conftest import Servers


@pytest.fixture
def url(servers: Servers) -> str:
    dsn: str = servers.of(BACKENDS["postgresql"])
    return dsn.replace("postgresql:", "postgresql+asyncpg:")


async def test_the_options_that_are_taken_work(url: str) -> None:
    query = (
        "sslmode=prefer&channel_binding=prefer&gssencmode=disable&client_encoding=utf8&connect_timeout=5"
        "&keepalives=1&keepalives_idle=30&prepared_statement_cache_size=0&application_name=web&statement_timeout=5000"
        "&target_session_attrs=read-write&my.setting=1"
    )
    async with create_store(f"{url}?{query}", table="taken") as store:
        await store.create_table()
        await store.set("key", b"1")
        assert await store.get("key") == b"1"
        async with store.config.provide_connection() as connection:
            shown = [
                await connection.fetchval(f"SELECT current_setting('{name}')")
                for name in ("application_name", "statement_timeout", "my.setting")
            ]
            assert shown == ["web", "5s", "1"]
            raw = connection._con._transport.get_extra_info("socket")
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connection._con._stmt_cache.get_max_size() == 0


async def test_the_first_of_several_hosts_may_be_away(url: str) -> None:
    host, database = url.rsplit("@", 1)[1].split("/")
    login = url.rsplit("@", 1)[0]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{nobody.getsockname()[1]}"
        for several in (f"{login}@{away},{host}/{database}", f"{login}@/{database}?host={away}&host={host}"):
            async with create_store(several, table="several") as store:
                await store.create_table()
                await store.set("key", b"1")
                assert await store.get("key") == b"1"
