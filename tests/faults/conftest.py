from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy
from tests.servers import PostgresServer, require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with require(lambda: PostgresServer({"fsync": "off", "max_connections": "200"})) as server:
        yield server


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """A database of its own."""
    return postgres.create_database()


@pytest.fixture
async def proxy(postgres: PostgresServer) -> AsyncIterator[Proxy]:
    async with Proxy(postgres.port) as proxy:
        yield proxy
