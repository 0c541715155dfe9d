"""The file of a SQLite database: whether it can be opened, whether it is still the same one, and how it is left.

SQLSpec's pool must never see a file fail to open: an error that passes through its compiled code can end the process.
So it is opened here first.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiosqlite import Connection
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.aiosqlite.pool import AiosqliteConnectionPool

__all__ = ("GONE", "DatabaseFile", "close_inherited", "identity", "inherit")

GONE = "the database file was deleted or replaced"
MAX_WAIT = 5.0
"""Seconds that opening waits for a lock: as long as SQLite's own connections in Python."""

_inherited: list[Connection] = []
"""Connections of the process that this one was forked from."""


class DatabaseFile:
    """The database that a SQLSpec config names.

    Args:
        config: The config.
        timeout: Seconds that a call has.
    """

    def __init__(self, config: AiosqliteConfig, timeout: float) -> None:
        given: Mapping[str, Any] = config.connection_config
        self._given = given
        # There is no public way to them. Who changes the mode needs the file for itself.
        pragmas = dict((getattr(config, "_runtime_setup", None) or {}).get("pragmas") or ())
        self._own_mode = "journal_mode" in pragmas or not given.get("enable_optimizations", True)
        self._pool_size: int = given.get("pool_size") or 5
        self.name = str(given.get("database"))
        self.in_memory = ":memory:" in self.name or "mode=memory" in self.name
        self._wait = min(timeout / 2, MAX_WAIT)

    def opens(self, pool: AiosqliteConnectionPool) -> bool:
        """Whether a pool opens the file for who takes a connection now."""
        return pool.checked_out() >= pool.size() and pool.size() < self._pool_size

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Have it open, and in the mode that the pool sets, so that the pool cannot fail to open it.

        Raises:
            sqlite3.Error: It cannot be opened.
        """
        opening = asyncio.ensure_future(asyncio.to_thread(self._open))
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_when_open)
            raise
        if self._own_mode:
            connection.close()
        try:
            yield
        finally:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect(self._wait)
        try:
            if not self._own_mode and not self.in_memory:
                connection.execute("PRAGMA journal_mode = WAL").close()
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").close()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, timeout: float) -> sqlite3.Connection:
        # It is closed in another thread than it was opened in.
        return sqlite3.connect(
            self._given["database"], timeout=timeout, uri=self._given.get("uri", False), check_same_thread=False
        )

    async def settle(self) -> None:
        """Leave all that was written in the one file, unless others still use it.

        SQLSpec interrupts what its connections do before it closes them, and so leaves everything in the log.
        """
        if not self.in_memory:
            await asyncio.to_thread(self._settle)

    def _settle(self) -> None:
        # What is in the log is safe there, whatever fails here.
        with suppress(sqlite3.Error):
            connection = self._connect(0)
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            finally:
                # The last one that closes removes the log.
                connection.close()


def _close_when_open(opening: asyncio.Future[sqlite3.Connection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def identity(path: str) -> tuple[int, int] | None:
    """What tells a file from another one under its name; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - once for each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino


def inherit(pools: Iterable[object]) -> None:
    """Remember the connections of pools, in a child of the process that made them."""
    for pool in pools:
        registry: Mapping[str, Any] = getattr(pool, "_connection_registry", {})
        _inherited.extend(pooled.connection for pooled in registry.values())


def close_inherited() -> None:
    """Close the connections of the process that this one was forked from.

    To leave them alone, as SQLite's documentation advises, loses data: the library in this process takes their locks
    for its own, so that this process has none. As soon as the other processes close the file, they remove the log that
    this one writes to. To close them here writes nothing, and gives up nothing of what the other process holds.

    Raises:
        sqlite3.OperationalError: One was in use when the process was forked.
    """
    while _inherited:
        connection = _inherited[-1]._connection
        if connection is not None:
            try:
                if connection.in_transaction:
                    msg = "a transaction was open"
                    raise sqlite3.ProgrammingError(msg)
                connection.close()
            except sqlite3.ProgrammingError as error:
                msg = "the process was forked while it used the database; close the store before that"
                raise sqlite3.OperationalError(msg) from error
        del _inherited[-1]
