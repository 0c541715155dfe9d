"""Work in the thread of a connection of aiosqlite: a connection is one, and what is to be done crosses into it once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from aiosqlite import Connection
from sqlspec.adapters.aiosqlite.pool import AiosqlitePoolConnection

from litestar_sqlstores.backends.aiosqlite_file import GONE, identity
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.settings import Durability

__all__ = ("ThreadedConnection", "Transactions", "with_our_settings")

ResultT = TypeVar("ResultT")

NORMAL = 1
"""``PRAGMA synchronous``: with a WAL, the file is synced at checkpoints only."""
ENCODING = "UTF-8"
FULL = 2
"""``PRAGMA synchronous``: it is synced at each commit."""


_BROKEN = {
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
}
_files: WeakKeyDictionary[Connection, tuple[int, int] | None] = WeakKeyDictionary()
"""The files of connections, as they were when a store first had them."""


class Transactions:
    """What is done with a connection in its thread: one transaction after another.

    Args:
        raw: The connection.
        database: The quoted name of the database that the table is in.
        synchronous: How durable its writes were when the connection became ours.
        path: The file of that database; empty if it has none.
        file: What tells that file from another one under its name.
    """

    def __init__(
        self, raw: sqlite3.Connection, database: str, synchronous: int, path: str, file: tuple[int, int] | None
    ) -> None:
        self._raw = raw
        self._database = database
        self._path = path
        self._file = file
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
        if self._file is not None and identity(self._path) != self._file:
            # What is written to a file that has no name any more is lost.
            raise sqlite3.OperationalError(GONE)
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
        pooled: The connection as SQLSpec's pool has it.
        transactions: What is done with it in its thread.
    """

    def __init__(self, pooled: AiosqlitePoolConnection, transactions: Transactions) -> None:
        self._pooled = pooled
        self._transactions = transactions

    async def read(self, work: Callable[[sqlite3.Cursor], ResultT]) -> ResultT:
        """Run ``work`` in the connection's thread, as one transaction that sees one state of the database."""
        return await self.run(lambda transactions: transactions.read(work))

    async def write(self, work: Callable[[sqlite3.Cursor], ResultT], durability: Durability = "full") -> ResultT:
        """Run ``work`` in the connection's thread, as one transaction that may write from its start."""
        return await self.run(lambda transactions: transactions.write(work, durability))

    async def run(self, work: Callable[[Transactions], ResultT]) -> ResultT:
        """Run ``work`` in the connection's thread, with as many transactions as it makes."""
        try:
            return await in_thread(self._pooled.connection, lambda _: work(self._transactions))
        except sqlite3.Error as error:
            # Those that say that the file is another one than when it was opened, or was opened for reading only.
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in _BROKEN:
                self.discard()
            raise

    def discard(self) -> None:
        """Have the pool close the connection, and not give it out again."""
        self._pooled.mark_unhealthy()


@asynccontextmanager
async def with_our_settings(pooled: AiosqlitePoolConnection, database: str) -> AsyncGenerator[ThreadedConnection, None]:
    """Have SQLite say at once that a lock is taken, and Python take text for text, as long as the connection is ours.

    A thread that waits for a lock cannot be called back: it would write after its callers were told that their time is
    up, and what they wrote next would be lost. The store tries again instead, as long as somebody waits.

    Args:
        pooled: The connection as SQLSpec's pool has it.
        database: The quoted name of the database that the table is in.

    Raises:
        ConfigurationError: The file has text in an encoding that the statements do not expect.
    """
    connection = pooled.connection

    def enter(raw: sqlite3.Connection) -> tuple[int, Any, Transactions, str]:
        cursor = raw.cursor()
        # The caller's config may have set another kind of rows.
        cursor.row_factory = None
        (busy_timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        text_factory, raw.text_factory = raw.text_factory, str
        synchronous = FULL
        with suppress(sqlite3.OperationalError):
            (synchronous,) = cursor.execute(f"PRAGMA {database}.synchronous").fetchone()
        (encoding,) = cursor.execute("PRAGMA encoding").fetchone()
        paths = {f'"{name}"': path for _, name, path in cursor.execute("PRAGMA database_list")}
        cursor.close()
        path = paths.get(database) or ""
        if connection not in _files:
            _files[connection] = identity(path) if path else None
        transactions = Transactions(raw, database, synchronous, path, _files[connection])
        return busy_timeout, text_factory, transactions, encoding

    def leave(raw: sqlite3.Connection) -> None:
        raw.execute(f"PRAGMA busy_timeout = {busy_timeout:d}").close()
        raw.text_factory = text_factory
        transactions.sync()

    busy_timeout, text_factory, transactions, encoding = await in_thread(connection, enter)
    try:
        if encoding != ENCODING:
            msg = (
                f"the database file has its text in {encoding}, and this store needs UTF-8: give it a file of its own,"
                " or copy this one's content into a new one"
            )
            raise ConfigurationError(msg)
        yield ThreadedConnection(pooled, transactions)
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
