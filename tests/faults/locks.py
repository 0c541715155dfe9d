"""Transactions of others, which hold the rows of a store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Store


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection beside those of the store."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def locked(dsn: str, store: Store, key: str) -> AsyncIterator[Any]:
    """Hold the row of a key, without changing it."""
    async with connected(dsn) as connection, connection.transaction():
        row = await connection.fetch("SELECT FROM litestar_session WHERE key_digest = $1 FOR UPDATE", store.digest(key))
        assert row
        yield connection


async def somebody_waits(connection: Any, statements: int = 1) -> None:
    """Wait until so many statements wait for a lock."""
    waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"

    async def enough() -> bool:
        return bool(await connection.fetchval(waiting) >= statements)

    await until(enough)
