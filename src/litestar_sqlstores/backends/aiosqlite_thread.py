"""Work in the thread of a connection of aiosqlite: a connection is one, and what is to be done crosses into it once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from aiosqlite import Connection

__all__ = ("in_transaction", "with_our_settings")

ResultT = TypeVar("ResultT")


@asynccontextmanager
async def with_our_settings(connection: Connection) -> AsyncGenerator[None, None]:
    """Have SQLite say at once that a lock is taken, and Python take text for text, as long as the connection is ours.

    A thread that waits for a lock cannot be called back: it would write after its callers were told that their time is
    up, and what they wrote next would be lost. The store tries again instead, as long as somebody waits.
    """

    def exchange(busy_timeout: int, text_factory: Any) -> Callable[[sqlite3.Connection], tuple[int, Any]]:
        def run(raw: sqlite3.Connection) -> tuple[int, Any]:
            (before,) = raw.execute("PRAGMA busy_timeout").fetchone()
            raw.execute(f"PRAGMA busy_timeout = {busy_timeout:d}").close()
            given, raw.text_factory = raw.text_factory, text_factory
            return before, given

        return run

    given = await _in_thread(connection, exchange(0, str))
    try:
        yield
    finally:
        await _in_thread(connection, exchange(*given))


async def in_transaction(connection: Connection, begin: str, work: Callable[[sqlite3.Cursor], ResultT]) -> ResultT:
    """Run ``work`` in the connection's thread, as one transaction whatever the connection's isolation level."""

    def run(raw: sqlite3.Connection) -> ResultT:
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

    return await _in_thread(connection, run)


async def _in_thread(connection: Connection, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
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
