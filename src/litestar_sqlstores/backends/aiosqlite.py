"""SQLite through aiosqlite.

A connection of aiosqlite is a thread. A batch crosses into it once, whatever it holds, and is one transaction there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.aiosqlite.pool import (
    AiosqliteConnectionPool,
    AiosqliteConnectTimeoutError,
    AiosqlitePoolConnection,
)

from litestar_sqlstores.backends.aiosqlite_file import GONE, DatabaseFile, close_inherited, inherit
from litestar_sqlstores.backends.aiosqlite_thread import ThreadedConnection, Transactions, with_our_settings
from litestar_sqlstores.backends.base import Backend, too_old
from litestar_sqlstores.backends.pools import SharedPool
from litestar_sqlstores.backends.records import (
    NEVER,
    Due,
    Entry,
    ForeignSession,
    Increment,
    Inspected,
    Renewal,
    Renewed,
    Replacement,
    Stats,
)
from litestar_sqlstores.coalescing import Failure, Kill
from litestar_sqlstores.errors import StoreError, UnavailableError
from litestar_sqlstores.settings import Settings
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("AiosqliteBackend", "AiosqliteStore")

OLDEST = (3, 35)
# SQLite has one code, SQLITE_ERROR, for everything that is wrong with a statement.
_FAILURES_BY_TEXT = (
    ("no such table", Failure.MISSING_TABLE),
    ("unknown database", Failure.MISSING_SCHEMA),
    ("no such column", Failure.WRONG_SCHEMA),
    ("has no column", Failure.WRONG_SCHEMA),
    ("data of the other format", Failure.WRONG_SCHEMA),
    ("closed database", Failure.DISCONNECTED),
    ("no active connection", Failure.NOT_SENT),
    (GONE, Failure.NOT_SENT),
    ("the process was forked", Failure.INACCESSIBLE),
)
_FAILURES_BY_CODE = {
    sqlite3.SQLITE_BUSY: Failure.BUSY,
    sqlite3.SQLITE_LOCKED: Failure.BUSY,
    sqlite3.SQLITE_TOOBIG: Failure.BAD_VALUE,
    sqlite3.SQLITE_CONSTRAINT: Failure.BAD_VALUE,
    sqlite3.SQLITE_IOERR: Failure.DISCONNECTED,
    **dict.fromkeys(
        (
            *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
            *(sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT),
        ),
        Failure.INACCESSIBLE,
    ),
}


class AiosqliteBackend(Backend[AiosqliteConfig, ThreadedConnection]):
    """The statements of SQLite through aiosqlite: one for a key, a batch of them in one transaction."""

    dialect = "sqlite"
    imports_sqlspec = True
    # A connection is a thread, which answers whichever event loop asks.
    pool_is_bound = False
    max_writers = 1
    # The database runs in this very process: Python can do nothing beside a statement.
    shares = 1
    reads_while_others_write = True
    relaxes = True

    def __init__(self, config: AiosqliteConfig, settings: Settings) -> None:
        super().__init__(config, settings)
        self._file = DatabaseFile(config, settings.timeout)

    def max_connections(self) -> int:
        return 1 if self._file.in_memory else self.settings.max_connections

    def own_pool(self, make_config: Callable[[], AiosqliteConfig]) -> None:
        super().own_pool(make_config)
        if self._file.in_memory:
            self.pools = SharedPool(self.config)

    @property
    def _database(self) -> str:
        """The quoted name of the database that the table is in."""
        return f'"{self.table.schema or "main"}"'

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[ThreadedConnection, None]:
        if sqlite3.sqlite_version_info < OLDEST:
            raise too_old(f"library is SQLite {sqlite3.sqlite_version}", ".".join(map(str, OLDEST)))
        close_inherited()
        config = self.config
        # So that a child of the process can close what it inherits. A connection has one thread anyway.
        config.connection_config.setdefault("check_same_thread", False)
        pool = await config.provide_pool()
        async with self._borrowed(pool) as pooled, with_our_settings(pooled, self._database) as ours:
            yield ours

    @asynccontextmanager
    async def _borrowed(self, pool: AiosqliteConnectionPool) -> AsyncGenerator[AiosqlitePoolConnection, None]:
        """A connection to the file that is there now."""
        async with AsyncExitStack() as stack:
            if self._file.opens(pool):
                await stack.enter_async_context(self._file.opened())
            pooled = await pool.acquire()
        try:
            yield pooled
        finally:
            await pool.release(pooled)

    async def discard(self, connection: ThreadedConnection) -> Kill | None:
        connection.discard()
        return None

    def inherit(self) -> Sequence[object]:
        pools = super().inherit()
        # One in memory has no locks, and lives as long as it is open.
        if not self._file.in_memory:
            inherit(pools)
        return pools

    async def close(self) -> None:
        await super().close()
        await self._file.settle()

    def describe(self, error: Exception) -> StoreError:
        if not isinstance(error, sqlite3.Error) or self.classify(error) is not Failure.INACCESSIBLE:
            return super().describe(error)
        described = UnavailableError(
            f"the database file {self._file.name!r} cannot be used: {error}. Its folder must be there, with space left,"
            " and this user must be able to write to both"
        )
        described.__cause__ = error
        return described

    def normal_type(self, name: str) -> str:
        # Before 3.37, SQLite has what generates a column among its type.
        return name.lower().partition(" generated")[0]

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, AiosqliteConnectTimeoutError):
            return Failure.DISCONNECTED
        if isinstance(error, sqlite3.Error):
            for text, failure in _FAILURES_BY_TEXT:
                if text in str(error):
                    return failure
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
            # The lowest byte is the error, the rest says more about it.
            return _FAILURES_BY_CODE.get(code & 0xFF, Failure.OTHER)
        # A parameter that Python cannot hand over: an int of more than 64 bits, say.
        return Failure.BAD_VALUE if isinstance(error, (OverflowError, UnicodeEncodeError)) else Failure.OTHER

    async def get(self, connection: ThreadedConnection, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return dict(await self._fetch(connection, "get", [(b"".join(keys),)]))

    async def get_and_renew(
        self, connection: ThreadedConnection, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        read = self._reads("get_for_renewal", _alike(renewals))

        def read_and_renew(transactions: Transactions) -> Renewed[Mapping[bytes, bytes]]:
            rows = transactions.read(read)
            found = {key: data for key, data, _ in rows}
            due = {key: Due(renewals[key], seen) for key, _, seen in rows if seen is not None}
            if not due:
                return Renewed(found, 0)
            try:
                renewed = transactions.write(self._renews(due), self.durability)
            except sqlite3.OperationalError as error:
                if self.classify(error) is not Failure.BUSY:
                    raise
                # Somebody else is writing, and others do not have to wait for that.
                return Renewed({key: data for key, data in found.items() if key not in due}, 0, (), due)
            gone = due.keys() - renewed.found.keys()
            found.update(renewed.found)
            return Renewed({key: found[key] for key in found.keys() - gone}, renewed.written, renewed.due)

        return await connection.run(read_and_renew)

    async def renew_due(
        self, connection: ThreadedConnection, due: Mapping[bytes, Due]
    ) -> Renewed[Mapping[bytes, bytes]]:
        return await connection.write(self._renews(due), self.durability)

    async def renew(
        self, connection: ThreadedConnection, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Iterable[bytes]]:
        found, written, _, waiting = await self.get_and_renew(connection, renewals)
        if not waiting:
            return Renewed(found, written)
        late = await self.renew_due(connection, waiting)
        return Renewed([*found, *late.found], late.written)

    def _renews(self, due: Mapping[bytes, Due]) -> Callable[[sqlite3.Cursor], Renewed[Mapping[bytes, bytes]]]:
        renew = self.sql["renew"]
        read = self._reads("get", [(b"".join(due),)])

        def write(cursor: sqlite3.Cursor) -> Renewed[Mapping[bytes, bytes]]:
            cursor.executemany(renew, [(key, each.renewal.ttl, each.expires_at) for key, each in due.items()])
            written = cursor.rowcount
            if written < len(due):
                # Some have expired, or got another expiry, before it was our turn to write. Now nobody else does.
                read_due = self._reads("get_for_renewal", _alike({key: each.renewal for key, each in due.items()}))
                again = [(key, due[key].renewal.ttl, seen) for key, _, seen in read_due(cursor) if seen is not None]
                cursor.executemany(renew, again)
                written = min(written + cursor.rowcount, len(due))
            # What is answered is what is there when the renewal is written: by now others may have changed it.
            return Renewed(dict(read(cursor)), written, due)

        return write

    async def remaining(self, connection: ThreadedConnection, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        rows = await self._fetch(connection, "remaining", [(b"".join(keys),)])
        return {key: NEVER if remaining is None else remaining for key, remaining in rows}

    async def set(self, connection: ThreadedConnection, entries: Mapping[bytes, Entry]) -> int:
        return await self._write(connection, "set", [(key, *entry) for key, entry in entries.items()])

    async def set_keeping_ttl(self, connection: ThreadedConnection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, entry.namespace, entry.data, entry.owner, entry.key_text) for key, entry in entries.items()]
        return await self._write(connection, "set_keeping_ttl", rows)

    async def replace(
        self, connection: ThreadedConnection, replacements: Mapping[bytes, Replacement]
    ) -> Iterable[bytes]:
        rows = [(key, entry.data, entry.ttl, entry.owner, expected) for key, (entry, expected) in replacements.items()]
        return [key for (key,) in await self._fetch(connection, "replace", rows, writes=True)]

    async def increment(
        self, connection: ThreadedConnection, increments: Mapping[bytes, Increment]
    ) -> Mapping[bytes, int]:
        rows = [(key, each.namespace, each.amount, each.ttl, each.key_text) for key, each in increments.items()]
        return dict(await self._fetch(connection, "increment", rows, writes=True))

    async def add(self, connection: ThreadedConnection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, new.namespace, new.data, new.ttl, new.owner) for key, new in entries.items()]
        return await self._write(connection, "add", rows)

    async def delete(self, connection: ThreadedConnection, keys: Sequence[bytes]) -> None:
        await self._write(connection, "delete", [(key,) for key in keys])

    async def fetch(self, connection: ThreadedConnection, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return await self._fetch(connection, name, [tuple(parameters.values())])

    async def execute(self, connection: ThreadedConnection, name: str, **parameters: Any) -> int:
        statements, values = self.sql[name].split(";"), tuple(parameters.values())

        def execute(cursor: sqlite3.Cursor) -> int:
            for sql in statements:
                # Not executemany, to which a CREATE that finds nothing to do is no write before SQLite 3.36.
                cursor.execute(sql, values)
            return cursor.rowcount

        return await connection.write(execute)

    async def stats(self, connection: ThreadedConnection, bounds: Sequence[int]) -> Sequence[Stats]:
        return [Stats(*row) for row in await self._fetch(connection, "stats", [tuple(bounds)])]

    async def inspect(self, connection: ThreadedConnection, keys: Sequence[bytes]) -> Sequence[Inspected]:
        return [Inspected(*row) for row in await self._fetch(connection, "inspect", [(b"".join(keys),)])]

    async def check_table(self, connection: ThreadedConnection) -> None:
        await super().check_table(connection)
        if not await self.fetch(connection, "check_format", schema=self.table.schema, table=self.table.table):
            msg = "the table has data of the other format"
            raise sqlite3.DatabaseError(msg)

    async def sqlspec_sessions(
        self, connection: ThreadedConnection, table: str, after: str, limit: int
    ) -> Sequence[ForeignSession]:
        sql = self.sql_for(table)["sqlspec_sessions"]
        rows = await connection.read(lambda cursor: cursor.execute(sql, (after, limit)).fetchall())
        return [ForeignSession(*row) for row in rows]

    async def delete_sqlspec_sessions(self, connection: ThreadedConnection, table: str, ids: Sequence[str]) -> None:
        sql, rows = self.sql_for(table)["delete_sqlspec_sessions"], [(each,) for each in ids]
        await connection.write(lambda cursor: cursor.executemany(sql, rows))

    async def _fetch(
        self, connection: ThreadedConnection, name: str, parameters: Sequence[tuple[Any, ...]], *, writes: bool = False
    ) -> list[Any]:
        """The rows that a statement has for all of the parameters."""
        fetch = self._reads(name, parameters)
        return await connection.write(fetch, self.durability) if writes else await connection.read(fetch)

    def _reads(self, name: str, parameters: Sequence[tuple[Any, ...]]) -> Callable[[sqlite3.Cursor], list[Any]]:
        sql = self.sql[name]
        return lambda cursor: [row for given in parameters for row in cursor.execute(sql, given)]

    async def _write(self, connection: ThreadedConnection, name: str, parameters: Sequence[tuple[Any, ...]]) -> int:
        """Run a statement with each of the parameters; how many rows that changed."""
        sql = self.sql[name]

        def write(cursor: sqlite3.Cursor) -> int:
            cursor.executemany(sql, parameters)
            return cursor.rowcount

        return await connection.write(write, self.durability)


def _alike(renewals: Mapping[bytes, Renewal]) -> list[tuple[bytes, int, int]]:
    """The parameters of a statement for each kind of renewal: its keys, and what it is."""
    alike: dict[Renewal, list[bytes]] = {}
    for key, renewal in renewals.items():
        alike.setdefault(renewal, []).append(key)
    return [(b"".join(keys), renewal.ttl, renewal.tolerance) for renewal, keys in alike.items()]


class AiosqliteStore(BaseSQLSpecStore[AiosqliteConfig]):
    """A store on SQLite 3.35 or later, through aiosqlite.

    Files are used in WAL mode, which SQLSpec's pool sets: readers and the writer do not wait for each other. A database
    in memory is used through one connection, since SQLite has no such mode there.

    The arguments and errors are those of :class:`~litestar_sqlstores.BaseSQLSpecStore`; the config is SQLSpec's
    ``AiosqliteConfig``.
    """

    backend = AiosqliteBackend
