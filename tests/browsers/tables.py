"""Everything that is in a database: all columns of all rows of all tables."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ("Tables", "can_open", "open_tables", "traces")


class Tables:
    """A look at a database, past every store.

    Args:
        query: Runs a statement, and gives its rows.
        names: The statement that names the tables.
        quote: What goes around a name.
        close: Ends the connection.
    """

    def __init__(
        self,
        query: Callable[[str], Awaitable[Iterable[Any]]],
        names: str,
        quote: str,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._query = query
        self._names = names
        self._quote = quote
        self.close = close

    async def dump(self) -> dict[str, bytes]:
        """Of each table, all that is in it."""
        found: dict[str, bytes] = {}
        for (name,) in await self._query(self._names):
            rows = await self._query(f"SELECT * FROM {self._quote}{name}{self._quote}")
            found[name] = b"\n".join(_bytes(cell) for row in rows for cell in tuple(row))
        return found


def _bytes(cell: object) -> bytes:
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return bytes(cell)
    return cell.encode() if isinstance(cell, str) else json.dumps(cell, default=str).encode()


def traces(dump: dict[str, bytes], secrets: Iterable[str]) -> list[str]:
    """Which tables hold a secret: as it is, or as the bytes that a hexadecimal one stands for."""
    wanted = [form for secret in secrets for form in _forms(secret)]
    return [name for name, content in dump.items() if any(form in content for form in wanted)]


def _forms(secret: str) -> list[bytes]:
    try:
        return [secret.encode(), bytes.fromhex(secret)]
    except ValueError:
        return [secret.encode()]


async def _open_sqlite(url: str) -> Tables:
    connection = sqlite3.connect(urlsplit(url).path[1:], isolation_level=None)

    async def query(sql: str) -> Iterable[Any]:
        return connection.execute(sql).fetchall()

    async def close() -> None:
        connection.close()

    return Tables(query, "SELECT name FROM sqlite_master WHERE type = 'table'", '"', close)


async def _open_postgresql(url: str) -> Tables:
    import asyncpg

    connection = await asyncpg.connect(url)

    async def query(sql: str) -> Iterable[Any]:
        rows: list[Any] = await connection.fetch(sql)
        return rows

    async def close() -> None:
        await connection.close()

    return Tables(query, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", '"', close)


async def _open_mysql(url: str) -> Tables:
    import aiomysql

    parts = urlsplit(url)
    connection = await aiomysql.connect(
        host=parts.hostname or "",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        db=parts.path[1:],
        autocommit=True,
    )

    async def query(sql: str) -> Iterable[Any]:
        async with connection.cursor() as cursor:
            await cursor.execute(sql)
            rows: Iterable[Any] = await cursor.fetchall()
            return rows

    async def close() -> None:
        connection.close()

    return Tables(query, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()", "`", close)


_OPENERS = {"sqlite": _open_sqlite, "postgresql": _open_postgresql, "mysql": _open_mysql}


def can_open(url: str) -> bool:
    """Whether a store's URL names what can be looked into."""
    return _kind(url) in _OPENERS


async def open_tables(url: str) -> Tables:
    """Open what a store's URL names."""
    return await _OPENERS[_kind(url)](url)


def _kind(url: str) -> str:
    return urlsplit(url).scheme.partition("+")[0]
