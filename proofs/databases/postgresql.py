"""PostgreSQL."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Any

import asyncpg
from sqlspec.adapters.asyncpg import AsyncpgConfig

from proofs.databases.base import TABLE, Database
from tests.servers import PostgresServer

__all__ = ("PostgreSQL", "open_postgresql")

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class PostgreSQL(Database):
    """A database of a private PostgreSQL server."""

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[Any]:
        """A connection of our own."""
        connection = await asyncpg.connect(self.url, timeout=20)
        try:
            yield connection
        finally:
            await connection.close()

    def config(self, pool_size: int) -> AsyncpgConfig:
        return AsyncpgConfig(connection_config={"dsn": self.url, "min_size": 1, "max_size": pool_size})

    @asynccontextmanager
    async def locked(self, digest: bytes) -> AsyncIterator[None]:
        async with self.administrator() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(f"SELECT FROM {TABLE} WHERE key_digest = $1 FOR UPDATE", digest)
            yield

    async def kill_connections(self, random: Random, share: float) -> int:
        async with self.administrator() as connection:
            pids = [row["pid"] for row in await connection.fetch(f"SELECT pid {OTHERS}")]
            killed = [pid for pid in pids if random.random() < share]
            await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS k (pid)", killed)
        return len(killed)

    async def connections(self) -> int:
        async with self.administrator() as connection:
            return int(await connection.fetchval(f"SELECT count(*) {OTHERS}"))


@contextmanager
def open_postgresql(settings: Mapping[str, str]) -> Iterator[PostgreSQL]:
    with PostgresServer({"deadlock_timeout": "100ms", **settings}) as server:
        yield PostgreSQL(server.create_database(), server)
