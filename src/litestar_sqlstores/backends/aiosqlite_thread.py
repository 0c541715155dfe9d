"""Work in the thread of a connection of aiosqlite: a connection is one, and what is to be done crosses into it once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

from aiosqlite import Connection

from litestar_sqlstores.settings import Durability

__all__ = ("ThreadedConnection", "Transactions", "with_our_settings")

ResultT = TypeVar("ResultT")

NORMAL = 1
"""``PRAGMA synchronous``: with a WAL, the file is synced at checkpoints only."""
FULL = 2
"""``PRAGMA synchronous``: it is synced at each commit."""


class Transactions:
    """What is done with a connection in its thread: one transaction after another.

    Args:
        database: The quoted name of the database that the table is in.
        synchronous: How durable its writes were when the connection became ours.
    """

    def __init__(self, raw: sqlite3.Connection, database: str, synchronous: int) -> None:
        self._raw = raw
        self._database = database
        self._given = self._synchronous = synchronous

    def read(self, work: Callable[[sqlite3.Cursor], ResultT]) -> ResultT:
        """Run ``work`` as one transaction that sees one state of the database."""
        return self._run("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Cursor], ResultT], durability: Durability) -> ResultT:
        """Run ``work`` as one transaction that may write from its start: what time it is, it asks behind the lock."""
        self.sync(NORMAL if durability == "relaxed" else max(FULL, self._given))
        return self._run("BEGIN IMMEDIATE", work)

    def _run(self, begin: str, work: Callable[[sqlite3.Cursor], ResultT]) -> ResultT:
        raw = self._raw
        # Whatever the connection's isolation level.
        cursor = raw.cursor()
        # The caller's config may have set another kind of rows.
        cursor.row_factory = None
        try:
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

    def sync(self, synchronous: int | None = None) -> None:
        """Have commits be so durable from now on; by default as they were when the connection became ours."""
        level = self._given if synchronous is None else synchronous
        if level != self._synchronous:
            # A database that is not attached is not there; the statements say so.
            with suppress(sqlite3.OperationalError):
                self._raw.execute(f"PRAGMA {self._database}.synchronous = {level:d}").close()
            self._synchronous = level


class ThreadedConnection:
    """A connection while it is ours.

    Args:
        connection: aiosqlite's.
        transactions: What is done with it in its thread.
    """

    def __init__(self, connection: Connection, transactions: Transactions) -> None:
        self._connection = connection
        self._transactions = transactions

    async def read(self, work: Callable[[sqlite3.Cursor], ResultT]) -> ResultT:
        """Run ``work`` in the connection's thread, as one transaction that sees one state of the database."""
        return await self.run(lambda transactions: transactions.read(work))

    async def write(self, work: Callable[[sqlite3.Cursor], ResultT], durability: Durability = "full") -> ResultT:
        """Run ``work`` in the connection's thread, as one transaction that may write from its start."""
        return await self.run(lambda transactions: transactions.write(work, durability))

    async def run(self, work: Callable[[Transactions], ResultT]) -> ResultT:
        """Run ``work`` in the connection's thread, with as many transactions as it makes."""
        return await in_thread(self._connection, lambda _: work(self._transactions))


@asynccontextmanager
async def with_our_settings(connection: Connection, database: str) -> AsyncGenerator[ThreadedConnection, None]:
    """Have SQLite say at once that a lock is taken, and Python take text for text, as long as the connection is ours.

    A thread that waits for a lock cannot be called back: it would write after its callers were told that their time is
    up, and what they wrote next would be lost. The store tries again instead, as long as somebody waits.

    Args:
        connection: aiosqlite's.
        database: The quoted name of the database that the table is in.
    """

    def enter(raw: sqlite3.Connection) -> tuple[int, Any, Transactions]:
        cursor = raw.cursor()
        # The caller's config may have set another kind of rows.
        cursor.row_factory = None
        (busy_timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        text_factory, raw.text_factory = raw.text_factory, str
        synchronous = FULL
        with suppress(sqlite3.OperationalError):
            (synchronous,) = cursor.execute(f"PRAGMA {database}.synchronous").fetchone()
        cursor.close()
        return busy_timeout, text_factory, Transactions(raw, database, synchronous)

    def leave(raw: sqlite3.Connection) -> None:
        raw.execute(f"PRAGMA busy_timeout = {busy_timeout:d}").close()
        raw.text_factory = text_factory
        transactions.sync()

    busy_timeout, text_factory, transactions = await in_thread(connection, enter)
    try:
        yield ThreadedConnection(connection, transactions)
    finally:
        await in_thread(connection, leave)


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
