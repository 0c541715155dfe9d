"""Work in the thread of a connection of aiosqlite: a connection is one, and what is to be done crosses into it once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

from aiosqlite import Connection

from litestar_sqlstores.settings import Durability

__all__ = ("ThreadedConnection", "with_our_settings")

ResultT = TypeVar("ResultT")

NORMAL = 1
"""``PRAGMA synchronous``: with a WAL, the file is synced at checkpoints only."""
FULL = 2
"""``PRAGMA synchronous``: it is synced at each commit."""


class ThreadedConnection:
    """A connection while it is ours.

    Args:
        connection: aiosqlite's.
        database: The quoted name of the database that the table is in.
        synchronous: How durable its writes were when it became ours.
    """

    def __init__(self, connection: Connection, database: str, synchronous: int) -> None:
        self._connection = connection
        self._database = database
        self._given = self._synchronous = synchronous

    async def read(self, work: Callable[[sqlite3.Cursor], ResultT]) -> ResultT:
        """Run ``work`` in the connection's thread, as one transaction that sees one state of the database."""
        return await self._in_transaction("BEGIN", work)

    async def write(self, work: Callable[[sqlite3.Cursor], ResultT], durability: Durability = "full") -> ResultT:
        """Run ``work`` in the connection's thread, as one transaction that may write from its start."""
        return await self._in_transaction("BEGIN IMMEDIATE", work, durability)

    async def _in_transaction(
        self, begin: str, work: Callable[[sqlite3.Cursor], ResultT], durability: Durability | None = None
    ) -> ResultT:
        def run(raw: sqlite3.Connection) -> ResultT:
            # Whatever the connection's isolation level.
            cursor = raw.cursor()
            # The caller's config may have set another kind of rows.
            cursor.row_factory = None
            try:
                if durability is not None:
                    self._sync(cursor, NORMAL if durability == "relaxed" else max(FULL, self._given))
                # In a cache that connections share, this may fail and yet begin.
                cursor.execute(begin)
                result = work(cursor)
                cursor.execute("COMMIT")
            except BaseException:
                if raw.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            finally:
                cursor.close()
            return result

        return await in_thread(self._connection, run)

    def _sync(self, cursor: sqlite3.Cursor, synchronous: int) -> None:
        """Have commits be so durable from now on; in the connection's thread."""
        if synchronous != self._synchronous:
            cursor.execute(f"PRAGMA {self._database}.synchronous = {synchronous:d}")
            self._synchronous = synchronous

    async def restore(self, busy_timeout: int, text_factory: Any) -> None:
        """Leave the connection as it was before it became ours."""

        def run(raw: sqlite3.Connection) -> None:
            cursor = raw.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {busy_timeout:d}")
            self._sync(cursor, self._given)
            cursor.close()
            raw.text_factory = text_factory

        await in_thread(self._connection, run)


@asynccontextmanager
async def with_our_settings(connection: Connection, database: str) -> AsyncGenerator[ThreadedConnection, None]:
    """Have SQLite say at once that a lock is taken, and Python take text for text, as long as the connection is ours.

    A thread that waits for a lock cannot be called back: it would write after its callers were told that their time is
    up, and what they wrote next would be lost. The store tries again instead, as long as somebody waits.

    Args:
        connection: aiosqlite's.
        database: The quoted name of the database that the table is in.
    """

    def enter(raw: sqlite3.Connection) -> tuple[int, Any, int]:
        cursor = raw.cursor()
        # The caller's config may have set another kind of rows.
        cursor.row_factory = None
        (busy_timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        text_factory, raw.text_factory = raw.text_factory, str
        synchronous = FULL
        # A database that is not attached is not there; the statements say so.
        with suppress(sqlite3.OperationalError):
            (synchronous,) = cursor.execute(f"PRAGMA {database}.synchronous").fetchone()
        cursor.close()
        return busy_timeout, text_factory, synchronous

    busy_timeout, text_factory, synchronous = await in_thread(connection, enter)
    ours = ThreadedConnection(connection, database, synchronous)
    try:
        yield ours
    finally:
        await ours.restore(busy_timeout, text_factory)


async def in_thread(connection: Connection, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
    """Run ``work`` in the connection's thread; ends no sooner than the thread is through with it.

    aiosqlite has no public way to run a function there; SQLSpec takes this one, too.
    """
    execute = cast("Callable[[Callable[[], object]], Awaitable[Any]]", connection._execute)
    try:
        return cast("ResultT", await execute(lambda: work(connection._conn)))
    except asyncio.CancelledError:
        # Until then, what is written next could be overtaken.
        await execute(lambda: None)
        raise
