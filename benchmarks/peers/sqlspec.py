"""SQLSpec's own Litestar stores. There is none for MariaDB here: SQLSpec's fails there at the first write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar.stores.base import Store
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.aiosqlite.litestar.store import AiosqliteStore
from sqlspec.adapters.asyncpg import AsyncpgConfig
from sqlspec.adapters.asyncpg.litestar.store import AsyncpgStore
from sqlspec.extensions.litestar.store import BaseSQLSpecStore

from benchmarks.peers.base import Peer, database
from litestar_sqlstores import create_store

__all__ = ("PEERS",)

_FILL_POSTGRESQL = """
    INSERT INTO litestar_session (session_id, data, expires_at)
    SELECT encode(sha256(n::text::bytea), 'hex'), data, expires_at + n % 3600 * interval '1 second'
    FROM litestar_session, generate_series(0, {rows} - 1) AS n
    ON CONFLICT DO NOTHING
    """
_FILL_SQLITE = """
    INSERT OR IGNORE INTO litestar_session (session_id, data, expires_at)
    SELECT key, data, expires_at + n % 3600 / 86400.0
    FROM litestar_session, (
      WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows})
      SELECT n, session_key(n) AS key FROM numbers ORDER BY key
    )
    """


@asynccontextmanager
async def _opened(store: BaseSQLSpecStore[Any]) -> AsyncIterator[Store]:
    try:
        await store.create_table()
        yield store
    finally:
        await store.config.close_pool()


@asynccontextmanager
async def _on_postgresql(url: str) -> AsyncIterator[Store]:
    async with _opened(AsyncpgStore(AsyncpgConfig(connection_config={"dsn": url}))) as store:
        yield store


@asynccontextmanager
async def _on_sqlite(url: str) -> AsyncIterator[Store]:
    config = AiosqliteConfig(connection_config={"database": url.removeprefix("sqlite:///")})
    async with _opened(AiosqliteStore(config)) as store:
        yield store


@asynccontextmanager
async def _on_spanner(url: str) -> AsyncIterator[Store]:
    from sqlspec.adapters.spanner.litestar.store import SpannerAsyncStore

    store = SpannerAsyncStore(create_store(url).config)
    try:
        # Its create_table goes on to compare schemas, with a table that the emulator does not have.
        await store._create_table()
        yield store
    finally:
        await store.config.close_pool()


PEERS = [
    Peer(
        "SQLSpec AsyncpgStore",
        "sqlspec",
        database("postgresql"),
        _on_postgresql,
        "postgresql",
        fill=_FILL_POSTGRESQL,
    ),
    Peer(
        "SQLSpec AiosqliteStore",
        "sqlspec",
        database("sqlite"),
        _on_sqlite,
        "sqlite",
        fill=_FILL_SQLITE,
    ),
    Peer("SQLSpec SpannerAsyncStore", "sqlspec", database("spanner"), _on_spanner, "spanner", loaders=1),
]
