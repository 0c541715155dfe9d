"""MariaDB and MySQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pymysql
from sqlspec.adapters.aiomysql import AiomysqlConfig
from sqlspec.adapters.asyncmy import AsyncmyConfig

from proofs.databases.base import TABLE, Database
from tests.servers import MariaDBServer, MySQLServer

__all__ = ("MySQL", "open_mariadb", "open_mysql")

OTHERS = "FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"


class MySQL(Database):
    """A database of a private MariaDB or MySQL server."""

    def connect(self) -> Any:
        """A connection of our own."""
        parts = urlsplit(self.url)
        return pymysql.connect(
            host=parts.hostname, port=parts.port or 0, user="root", database=parts.path[1:], autocommit=True
        )

    def run(self, *statements: str) -> Sequence[tuple[Any, ...]]:
        """The rows of the last one of the statements."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def config(self, pool_size: int) -> Any:
        parts = urlsplit(self.url)
        given = {"host": parts.hostname, "port": parts.port, "user": "root", "database": parts.path[1:]}
        kind = AsyncmyConfig if parts.scheme.endswith("asyncmy") else AiomysqlConfig
        return kind(connection_config={**given, "minsize": 1, "maxsize": pool_size})

    @asynccontextmanager
    async def locked(self, digest: bytes) -> AsyncIterator[None]:
        connection = await asyncio.to_thread(self.connect)
        try:
            await asyncio.to_thread(self._lock, connection, digest)
            yield
        finally:
            await asyncio.to_thread(connection.close)

    def _lock(self, connection: Any, digest: bytes) -> None:
        with connection.cursor() as cursor, suppress(pymysql.err.OperationalError):  # waited too long, or deadlocked
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 5")
            cursor.execute("BEGIN")
            cursor.execute(f"SELECT 1 FROM {TABLE} WHERE key_digest = %s FOR UPDATE", (digest,))

    async def kill_connections(self, random: Random, share: float) -> int:
        return await asyncio.to_thread(self._kill, random, share)

    def _kill(self, random: Random, share: float) -> int:
        killed = [number for (number,) in self.run(f"SELECT id {OTHERS}") if random.random() < share]
        for number in killed:
            with suppress(pymysql.err.OperationalError):  # it has gone by itself
                self.run(f"KILL {number}")
        return len(killed)

    async def connections(self) -> int:
        rows = await asyncio.to_thread(self.run, f"SELECT COUNT(*) {OTHERS}")
        return int(rows[0][0])


@contextmanager
def open_mariadb(driver: str, settings: Mapping[str, str]) -> Iterator[MySQL]:
    with MariaDBServer(settings) as server:
        yield MySQL(server.create_database().replace("mysql:", f"mysql+{driver}:"), server)


@contextmanager
def open_mysql(settings: Mapping[str, str]) -> Iterator[MySQL]:
    with MySQLServer(settings) as server:
        yield MySQL(server.create_database(), server)
