"""What the options of a URL do with a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import ConfigurationError, StoreError, create_store
from tests.backends import BACKENDS

if TYPE_CHECKING:
    from tests.conftest import Servers

BACKEND = BACKENDS["mariadb"]


@pytest.fixture(params=["aiomysql", "asyncmy"])
def url(servers: Servers, request: pytest.FixtureRequest) -> str:
    dsn: str = servers.of(BACKEND)
    return dsn.replace("mysql:", f"mysql+{request.param}:")


async def test_the_options_that_are_taken_work(url: str) -> None:
    query = "charset=latin1&connect_timeout=5&use_unicode=1&autocommit=true&local_infile=1&binary_prefix=true"
    async with create_store(f"{url}?{query}&program_name=web&init_command=SET%20%40given%3D1", table="taken") as store:
        await store.create_table()
        await store.set("key", "é", owner="é")
        assert await store.get("key") == "é".encode()
        async with store.config.provide_connection() as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT @given, @@character_set_client")
            assert await cursor.fetchone() == (1, "latin1")


@pytest.mark.parametrize("query", ["ssl=true", "ssl_mode=REQUIRED"])
async def test_no_connection_is_open_where_an_encrypted_one_is_asked_for(url: str, query: str) -> None:
    """The server has no certificate. aiomysql would go on without, and whoever sits on the wire can make it."""
    async with create_store(f"{url}?{query}") as store:
        expected = ConfigurationError if "aiomysql" in url else StoreError
        with pytest.raises(expected) as caught:
            await store.get("key")
        assert "aiomysql" not in url or "does not encrypt connections" in str(caught.value)
