"""Large tables, filled on the database's side: one statement copies a stored session to as many rows as are wanted."""

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import asyncpg
import pymysql

from benchmarks.workload import session_key

__all__ = ("fill",)

# What SHA-256 of a key in the namespace LITESTAR begins with: see litestar_sqlstores.keys.
_PREFIX = b"\x00\x00\x00\x08LITESTAR"


async def fill(url: str, statement: str, rows: int) -> None:
    """Fill a table that holds one session, and have the database look at what it holds now.

    Args:
        url: The database.
        statement: :attr:`benchmarks.peers.Peer.fill`.
        rows: How many sessions there shall be, with the keys of :func:`~benchmarks.workload.session_key`.
    """
    scheme = urlsplit(url).scheme
    statement = statement.format(rows=rows)
    if scheme == "postgresql":
        await _fill_postgresql(url, statement)
    elif scheme == "sqlite":
        await asyncio.to_thread(_fill_sqlite, url.removeprefix("sqlite:///"), statement)
    else:
        await asyncio.to_thread(_fill_mariadb, url, statement)


async def _fill_postgresql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _fill_sqlite(path: str, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("session_key", 1, session_key, deterministic=True)
        connection.create_function("key_digest", 1, _key_digest, deterministic=True)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")


def _fill_mariadb(url: str, statement: str) -> None:
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, database=parts.path[1:], autocommit=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SET unique_checks = 0")
        cursor.execute(statement)
        cursor.execute("ANALYZE TABLE litestar_session")


def _key_digest(number: int) -> bytes:
    return hashlib.sha256(_PREFIX + session_key(number).encode()).digest()
