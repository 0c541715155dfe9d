"""PostgreSQL through asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from asyncpg import exceptions as pg
from sqlspec.adapters.asyncpg import AsyncpgConfig

from litestar_sqlstores.backends.asyncpg_client import Connection, Session, borrow, goes_through_a_pooler
from litestar_sqlstores.backends.base import Backend, too_old
from litestar_sqlstores.backends.records import (
    NEVER,
    Entry,
    ForeignSession,
    Increment,
    Renewal,
    Renewed,
    Replacement,
)
from litestar_sqlstores.coalescing import Failure, Kill
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("AsyncpgBackend", "AsyncpgStore")

OLDEST = 12

# How asyncpg says that it knows of a connection's end, or is in the midst of it, and does not try to use it.
_GONE = ("connection is closed", "connection has been released back to the pool", "another operation")
# The first match counts: asyncpg's own errors about arguments are both ValueError and InterfaceError.
_FAILURES: tuple[tuple[tuple[type[Exception], ...], Failure], ...] = (
    ((pg.UndefinedTableError,), Failure.MISSING_TABLE),
    ((pg.InvalidSchemaNameError,), Failure.MISSING_SCHEMA),
    (
        (
            pg.UndefinedColumnError,
            pg.UndefinedFunctionError,
            pg.DatatypeMismatchError,
            pg.CannotCoerceError,
            pg.WrongObjectTypeError,
        ),
        Failure.WRONG_SCHEMA,
    ),
    ((pg.ReadOnlySQLTransactionError,), Failure.READ_ONLY),
    # Poolers and DEALLOCATE ALL take statements away; the server has not run what it does not know.
    ((pg.InvalidSQLStatementNameError, pg.DuplicatePreparedStatementError), Failure.NOT_SENT),
    # That is how a renewal says that it came too late.
    ((pg.DivisionByZeroError,), Failure.CONFLICT),
    ((pg.DeadlockDetectedError, pg.SerializationError, pg.LockNotAvailableError), Failure.CONFLICT),
    ((pg.DataError, ValueError), Failure.BAD_VALUE),
    (
        (
            pg.PostgresConnectionError,
            pg.AdminShutdownError,
            pg.CrashShutdownError,
            pg.CannotConnectNowError,
            pg.IdleSessionTimeoutError,
            pg.TooManyConnectionsError,
            # None of several servers is the primary.
            asyncpg.TargetServerAttributeNotMatched,
            asyncpg.InterfaceError,
            OSError,
            asyncio.TimeoutError,
        ),
        Failure.DISCONNECTED,
    ),
)


class AsyncpgBackend(Backend[AsyncpgConfig, Session]):
    """The statements of PostgreSQL through asyncpg: one for a batch, its columns as arrays."""

    dialect = "postgresql"
    imports_sqlspec = True
    relaxes = True
    _met_server = False
    _is_read_only = False
    """Whether a server has said so whose connections are still in the pool."""

    def variants(self) -> tuple[str, ...]:
        return (self.settings.data_format, self.durability)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        if self.owns_pool and self.config.connection_instance is None:
            await self._prepare_pool()
        async with borrow(self.config) as session:
            if not self._met_server:
                self._meet_server(session.connection)
            yield session

    async def _prepare_pool(self) -> None:
        settings = self.config.connection_config
        # Pools connect by themselves, too.
        settings.setdefault("timeout", self.connect_timeout)
        if "statement_cache_size" not in settings and await goes_through_a_pooler(settings):
            settings["statement_cache_size"] = 0

    def _meet_server(self, connection: Connection) -> None:
        version = connection.get_server_version()
        if version.major < OLDEST:
            raise too_old(f"server is PostgreSQL {version.major}.{version.minor}", OLDEST)
        self._met_server = True

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, pg.ReadOnlySQLTransactionError):
            self._is_read_only = True
        own = (asyncpg.InterfaceError, asyncpg.InternalClientError)
        if isinstance(error, own) and any(text in str(error) for text in _GONE):
            return Failure.NOT_SENT
        return next((failure for kinds, failure in _FAILURES if isinstance(error, kinds)), Failure.OTHER)

    async def discard(self, connection: Session) -> Kill | None:
        pool = self.config.connection_instance
        if self._is_read_only and self.owns_pool and pool is not None:
            # The others lead to the same server.
            self._is_read_only = False
            await cast("Any", pool).expire_connections()
        return await connection.discard()

    async def get(self, connection: Session, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return dict(await connection.fetch(self.sql["get"], keys))

    async def get_and_renew(
        self, connection: Session, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        found: dict[bytes, bytes] = {}
        due = []
        for key, data, was_due in await connection.fetch(self.sql["get_and_renew"], *_columns(renewals)):
            found[key] = data
            if was_due:
                due.append(key)
        return Renewed(found, len(due), due)

    async def renew(self, connection: Session, renewals: Mapping[bytes, Renewal]) -> Renewed[Iterable[bytes]]:
        if self.settings.observer is None:
            rows = await connection.fetch(self.sql["renew"], *_columns(renewals))
            return Renewed([key for (key,) in rows], None)
        rows = await connection.fetch(self.sql["renew_counted"], *_columns(renewals))
        return Renewed([key for key, _ in rows], rows[0][1] if rows else 0)

    async def remaining(self, connection: Session, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        rows = await connection.fetch(self.sql["remaining"], keys)
        return {key: NEVER if remaining is None else remaining for key, remaining in rows}

    async def set(self, connection: Session, entries: Mapping[bytes, Entry]) -> int:
        return _affected(await connection.execute(self.sql["set"], *_columns(entries)))

    async def set_keeping_ttl(self, connection: Session, entries: Mapping[bytes, Entry]) -> int:
        keys, namespaces, data, _, _, owners, texts = _columns(entries)
        status = await connection.execute(self.sql["set_keeping_ttl"], keys, namespaces, data, owners, texts)
        return _affected(status)

    async def replace(self, connection: Session, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        keys, _, data, ttls, _, owners, _ = _columns({key: new.entry for key, new in replacements.items()})
        expected = [new.expected for new in replacements.values()]
        rows = await connection.fetch(self.sql["replace"], keys, data, ttls, owners, expected)
        return [row[0] for row in rows]

    async def increment(self, connection: Session, increments: Mapping[bytes, Increment]) -> Mapping[bytes, int]:
        rows = ((each.namespace, each.amount, each.ttl, each.key_text) for each in increments.values())
        return dict(await connection.fetch(self.sql["increment"], list(increments), *zip(*rows, strict=True)))

    async def add(self, connection: Session, entries: Mapping[bytes, Entry]) -> int:
        keys, namespaces, data, ttls, _, owners, _ = _columns(entries)
        return _affected(await connection.execute(self.sql["add"], keys, namespaces, data, ttls, owners))

    async def delete(self, connection: Session, keys: Sequence[bytes]) -> None:
        await connection.execute(self.sql["delete"], keys)

    async def fetch(self, connection: Session, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return await connection.fetch(self.sql[name], *parameters.values())

    async def execute(self, connection: Session, name: str, **parameters: Any) -> int:
        return _affected(await connection.execute(self.sql[name], *parameters.values()))

    async def sqlspec_sessions(
        self, connection: Session, table: str, after: str, limit: int
    ) -> Sequence[ForeignSession]:
        # SQLSpec does not quote names, and PostgreSQL has those in lower case.
        sql = self.sql_for(table.lower())["sqlspec_sessions"]
        return [ForeignSession(*row) for row in await connection.fetch(sql, after, limit)]

    async def delete_sqlspec_sessions(self, connection: Session, table: str, ids: Sequence[str]) -> None:
        await connection.execute(self.sql_for(table.lower())["delete_sqlspec_sessions"], ids)


class AsyncpgStore(BaseSQLSpecStore[AsyncpgConfig]):
    """A store on PostgreSQL 12 or later, through asyncpg.

    The arguments and errors are those of :class:`~litestar_sqlstores.BaseSQLSpecStore`; the config is SQLSpec's
    ``AsyncpgConfig``.
    """

    backend = AsyncpgBackend


def _columns(batch: Mapping[bytes, tuple[Any, ...]]) -> tuple[Sequence[Any], ...]:
    """The key digests, and each field of the arguments, as arrays of equal length."""
    return (list(batch), *zip(*batch.values(), strict=True))


def _affected(status: str) -> int:
    """The number in a command status such as ``DELETE 3``; 0 if it has none, such as ``DROP TABLE``."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdigit() else 0
