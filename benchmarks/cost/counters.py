"""What the databases count while a store is used: statements, requests, rows, bytes, syncs."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import urlsplit

import asyncpg
import grpc.aio
import psutil
import pymysql
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from benchmarks.peers import Backend
from benchmarks.servers import Servers
from litestar_sqlstores import BaseSQLSpecStore, create_store

__all__ = ("COUNTERS", "Counter")

Store = BaseSQLSpecStore[Any]


class Counter(ABC):
    """A database of its own, and what it counts.

    Args:
        servers: Where.
    """

    backend: ClassVar[Backend]

    def __init__(self, servers: Servers) -> None:
        self.url = servers.new_database(self.backend)

    def open(self) -> AbstractAsyncContextManager[Store]:
        """Open a store."""
        return create_store(self.url)

    @abstractmethod
    async def read(self) -> dict[str, int]:
        """What was counted since the database exists, now that no store is open."""


class PostgresCounter(Counter):
    """PostgreSQL's statistics. A backend reports when it ends, so the store must be closed."""

    backend = "postgresql"

    async def read(self) -> dict[str, int]:
        connection = await asyncpg.connect(self.url)
        try:
            while await connection.fetchval(  # noqa: ASYNC110 - the server tells nobody
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ):
                await asyncio.sleep(0.01)
            # This connection's own transactions are reported when it ends: after this reading.
            row = await connection.fetchrow(
                """
                SELECT
                  (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database())
                    AS statements,
                  (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables) AS "rows written",
                  (SELECT sum(n_tup_upd)::bigint FROM pg_stat_user_tables) AS updates,
                  (SELECT sum(n_tup_hot_upd)::bigint FROM pg_stat_user_tables) AS "HOT updates",
                  (pg_current_wal_insert_lsn() - '0/0')::bigint AS "bytes logged",
                  (SELECT wal_sync FROM pg_stat_wal) AS syncs
                """
            )
        finally:
            await connection.close()
        return {name: count or 0 for name, count in row.items()}


class SqliteCounter(Counter):
    """What SQLite's connections are asked, and what this process writes."""

    backend = "sqlite"

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers)
        self._statements: list[str] = []
        self._rows = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Store]:
        connections: list[Any] = []

        async def remember(connection: Any) -> None:
            connections.append(connection)

        config = AiosqliteConfig(
            connection_config={"database": self.url.removeprefix("sqlite:///")},
            driver_features={"trace_callback": self._statements.append, "on_connection_create": remember},
        )
        async with create_store(config) as store:
            yield store
            self._rows += sum(connection.total_changes for connection in connections)
        await config.close_pool()

    async def read(self) -> dict[str, int]:
        return {
            # A batch is a transaction: one trip to the thread that has the connection.
            "statements": sum(statement.startswith("BEGIN") for statement in self._statements),
            "rows written": self._rows,
            "bytes logged": psutil.Process().io_counters().write_chars,
        }


class MariaDBCounter(Counter):
    """The status variables of MariaDB's server, which nobody else uses."""

    backend = "mariadb"

    _NAMES: ClassVar[dict[str, tuple[str, ...]]] = {
        "statements": ("Questions",),
        "bytes logged": ("Innodb_os_log_written",),
        "syncs": ("Innodb_data_fsyncs",),
    }

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers)
        servers.mariadb.execute("SET GLOBAL userstat = 1")

    async def read(self) -> dict[str, int]:
        return await asyncio.to_thread(self._read)

    def _read(self) -> dict[str, int]:
        parts = urlsplit(self.url)
        connection = pymysql.connect(host=parts.hostname, port=parts.port or 3306, user=parts.username)
        with connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS")
            status: dict[str, str] = dict(cursor.fetchall())
            cursor.execute(
                "SELECT SUM(ROWS_CHANGED) FROM information_schema.TABLE_STATISTICS WHERE TABLE_SCHEMA = %s",
                parts.path[1:],
            )
            ((rows,),) = cursor.fetchall()
        counts = {name: sum(int(status[each]) for each in each_of) for name, each_of in self._NAMES.items()}
        return {**counts, "rows written": int(rows or 0)}


class SpannerCounter(Counter):
    """The requests of Spanner's client, but for those that open sessions."""

    backend = "spanner"

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers)
        self._requests: list[str] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Store]:
        new_channel = grpc.aio.insecure_channel
        interceptors = [_OneAnswer(self._requests), _ManyAnswers(self._requests)]
        with patch.object(grpc.aio, "insecure_channel", lambda host: new_channel(host, interceptors=interceptors)):
            async with create_store(self.url) as store:
                yield store

    async def read(self) -> dict[str, int]:
        requests = [name for name in self._requests if "Session" not in name]
        return {"requests": len(requests), "commits": requests.count("Commit")}


def _note(requests: list[str], details: Any) -> None:
    requests.append(details.method.decode().rpartition("/")[2])


class _OneAnswer(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    def __init__(self, requests: list[str]) -> None:
        self._requests = requests

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        _note(self._requests, client_call_details)
        return await continuation(client_call_details, request)


class _ManyAnswers(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    def __init__(self, requests: list[str]) -> None:
        self._requests = requests

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        _note(self._requests, client_call_details)
        return await continuation(client_call_details, request)


COUNTERS: dict[Backend, type[Counter]] = {
    counter.backend: counter for counter in (PostgresCounter, SqliteCounter, MariaDBCounter, SpannerCounter)
}
