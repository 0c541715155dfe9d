"""A store as one writes it in an afternoon: a statement for each call, two for a renewal, on the driver's pool."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aiomysql
import aiosqlite
import asyncpg
from litestar.stores.base import Store

from benchmarks.peers.base import Peer, database

__all__ = ("PEERS", "PlainStore")

Run: TypeAlias = Callable[..., Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Statements:
    """What a dialect says; the parameters stand in the same order in all of them."""

    create: str
    get: str
    left: str
    """As the rest, the seconds that a session lives."""
    renew: str
    set: str
    delete: str = "DELETE FROM plain WHERE session_id = {}"
    clear: str = "DELETE FROM plain"

    @classmethod
    def write(
        cls, marks: tuple[str, str, str], *, types: tuple[str, str, str], now: str, later: str, left: str, upsert: str
    ) -> "Statements":
        """Fill in how the dialect names types, says the time, and marks the place of a parameter."""
        first, second, third = marks
        key, data, time = types
        live = f"session_id = %s AND (expires_at IS NULL OR expires_at > {now})"
        return cls(
            f"CREATE TABLE IF NOT EXISTS plain (session_id {key} PRIMARY KEY, data {data} NOT NULL, expires_at {time})",
            f"SELECT data FROM plain WHERE {live % first}",
            f"SELECT {left} FROM plain WHERE {live % first}",
            f"UPDATE plain SET expires_at = {later.format(first)} WHERE {live % second}",
            f"INSERT INTO plain VALUES ({first}, {second}, {later.format(third)}) {upsert}",
            f"DELETE FROM plain WHERE session_id = {first}",
        )


_ON_CONFLICT = "ON CONFLICT (session_id) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at"
_POSTGRESQL = Statements.write(
    ("$1", "$2", "$3"),
    types=("text", "bytea", "timestamptz"),
    now="now()",
    later="now() + {}::float * interval '1 second'",
    left="extract(epoch FROM expires_at - now())",
    upsert=_ON_CONFLICT,
)
_SQLITE = Statements.write(
    ("?", "?", "?"),
    types=("TEXT", "BLOB", "REAL"),
    now="julianday('now')",
    later="julianday('now') + {} / 86400.0",
    left="(expires_at - julianday('now')) * 86400",
    upsert=_ON_CONFLICT,
)
_MARIADB = Statements.write(
    ("%s", "%s", "%s"),
    types=("VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin", "LONGBLOB", "DATETIME(3)"),
    now="UTC_TIMESTAMP(3)",
    later="UTC_TIMESTAMP(3) + INTERVAL {} SECOND",
    left="TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), expires_at)",
    upsert="ON DUPLICATE KEY UPDATE data = VALUES(data), expires_at = VALUES(expires_at)",
)


class PlainStore(Store):
    """Sessions in a table.

    Args:
        run: Runs a statement with its parameters; its rows.
        statements: Those of the database.
    """

    def __init__(self, run: Run, statements: Statements) -> None:
        self._run = run
        self._statements = statements

    async def create_table(self) -> None:
        await self._run(self._statements.create)

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        rows = await self._run(self._statements.get, key)
        if rows and renew_for:
            await self._run(self._statements.renew, _seconds(renew_for), key)
        return rows[0][0] if rows else None

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        data = value.encode() if isinstance(value, str) else value
        await self._run(self._statements.set, key, data, None if expires_in is None else _seconds(expires_in))

    async def delete(self, key: str) -> None:
        await self._run(self._statements.delete, key)

    async def delete_all(self) -> None:
        await self._run(self._statements.clear)

    async def exists(self, key: str) -> bool:
        return bool(await self._run(self._statements.get, key))

    async def expires_in(self, key: str) -> int | None:
        rows = await self._run(self._statements.left, key)
        return int(rows[0][0]) if rows else None


@asynccontextmanager
async def _on_postgresql(url: str) -> AsyncIterator[Store]:
    async with asyncpg.create_pool(url) as pool:

        async def run(statement: str, *parameters: object) -> Sequence[Any]:
            rows: Sequence[Any] = await pool.fetch(statement, *parameters)
            return rows

        store = PlainStore(run, _POSTGRESQL)
        await store.create_table()
        yield store


@asynccontextmanager
async def _on_sqlite(url: str) -> AsyncIterator[Store]:
    async with aiosqlite.connect(url.removeprefix("sqlite:///"), isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = NORMAL")

        async def run(statement: str, *parameters: object) -> Sequence[Any]:
            return list(await connection.execute_fetchall(statement, parameters))

        store = PlainStore(run, _SQLITE)
        await store.create_table()
        yield store


@asynccontextmanager
async def _on_mariadb(url: str) -> AsyncIterator[Store]:
    parts = urlsplit(url)
    options = {"host": parts.hostname, "port": parts.port, "user": parts.username, "db": parts.path[1:]}
    async with aiomysql.create_pool(autocommit=True, **options) as pool:

        async def run(statement: str, *parameters: object) -> Sequence[Any]:
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute(statement, parameters)
                rows: Sequence[Any] = await cursor.fetchall()
            return rows

        store = PlainStore(run, _MARIADB)
        await store.create_table()
        yield store


def _seconds(duration: int | timedelta) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


PEERS = [
    Peer("a statement a call, asyncpg", "plain", database("postgresql"), _on_postgresql, "postgresql"),
    Peer("a statement a call, aiosqlite", "plain", database("sqlite"), _on_sqlite, "sqlite"),
    Peer("a statement a call, aiomysql", "plain", database("mariadb"), _on_mariadb, "mariadb"),
]
