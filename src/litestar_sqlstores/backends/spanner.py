"""Cloud Spanner through the asyncio client of google-cloud-spanner.

A read is one request. A write is two, a statement and a commit, because only statements know the server's clock; what
needs no clock is a commit alone. A lane is a place in the queue: the client has connections of its own.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from google.api_core import exceptions as google
from sqlspec.adapters.spanner import SpannerAsyncConfig

from litestar_sqlstores.backends.base import Backend
from litestar_sqlstores.backends.records import (
    NEVER,
    Entry,
    Increment,
    Inspected,
    Renewal,
    Renewed,
    Replacement,
)
from litestar_sqlstores.backends.spanner_client import Connection, ForeignTableError
from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.settings import Settings
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("SpannerBackend", "SpannerStore")

MAX_CELL_BYTES = 10 * 1024 * 1024

# The first match counts.
_FAILURES: tuple[tuple[tuple[type[Exception], ...], str, Failure], ...] = (
    ((ForeignTableError,), "", Failure.WRONG_SCHEMA),
    ((google.InvalidArgument, google.NotFound), r"Table not found", Failure.MISSING_TABLE),
    ((google.NotFound,), r"Schema not found", Failure.WRONG_SCHEMA),
    # A statement that does not suit the table is refused with the position of what does not.
    ((google.InvalidArgument,), r"\[at \d+:\d+\]", Failure.WRONG_SCHEMA),
    ((google.Aborted,), "", Failure.CONFLICT),
    ((google.NotFound,), r"Session not found", Failure.DISCONNECTED),
    (
        (google.ServiceUnavailable, google.GatewayTimeout, google.RetryError, OSError, asyncio.TimeoutError),
        "",
        Failure.DISCONNECTED,
    ),
    ((google.InvalidArgument, google.OutOfRange, google.FailedPrecondition, ValueError), "", Failure.BAD_VALUE),
)

_turns: WeakKeyDictionary[SpannerAsyncConfig, tuple[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


class SpannerBackend(Backend[SpannerAsyncConfig, Connection]):
    """The statements of Spanner: one for a batch, as an array of structs."""

    dialect = "spanner"
    options = frozenset({"shard_count", "read_staleness"})
    quote = "`"
    relaxes_not = "Spanner acknowledges no write before most of its replicas have it on their disks"

    def __init__(self, config: SpannerAsyncConfig, settings: Settings) -> None:
        most = MAX_CELL_BYTES - settings.overhead_bytes
        if settings.max_value_bytes > most:
            msg = f"max_value_bytes is {settings.max_value_bytes}; a value on Spanner has up to {most} bytes"
            raise ConfigurationError(msg)
        super().__init__(config, settings)
        if "_" in (self.table.table[0], (self.table.schema or "a")[0]):
            msg = f"table {str(self.table)!r} is no table name on Spanner, where names begin with a letter"
            raise ConfigurationError(msg)
        # A schema change takes no parameters, and a hint takes the name of an index as a whole.
        self.sql = {
            name: re.sub(r"(FORCE_INDEX=`\w+)`\.`", r"\1.", sql).replace("@shard_count", str(settings.shard_count))
            for name, sql in self.sql.items()
        }
        self._connection: Connection | None = None

    def variants(self) -> tuple[str, ...]:
        return (self.settings.data_format, "sharded" if self.settings.shard_count > 1 else "whole")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with _turn(self.config):
            database = await self.config.get_database()
            connection = self._connection
            if connection is None or connection.database is not database:
                connection = self._connection = Connection(database, self.sql, self.settings)
            await connection.find_shards()
        yield connection

    def classify(self, error: Exception) -> Failure:
        text = str(error)
        matches = (what for kinds, part, what in _FAILURES if isinstance(error, kinds) and re.search(part, text))
        return next(matches, Failure.OTHER)

    async def get(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return dict(await connection.read("get", batch=[connection.row(key) for key in keys]))

    async def get_and_renew(
        self, connection: Connection, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        rows, written, due = await _read_and_renew(connection, "get_for_renewal", renewals)
        return Renewed({key: data for key, data, _ in rows}, written, due)

    async def renew(self, connection: Connection, renewals: Mapping[bytes, Renewal]) -> Renewed[Iterable[bytes]]:
        rows, written, due = await _read_and_renew(connection, "due_for_renewal", renewals)
        return Renewed([key for key, _ in rows], written, due)

    async def remaining(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        rows = await connection.read("remaining", batch=[connection.row(key) for key in keys])
        return {key: NEVER if remaining is None else remaining for key, remaining in rows}

    async def set(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        return (await connection.store("set", entries)).written

    async def set_keeping_ttl(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        return (await connection.store("set_keeping_ttl", entries)).written

    async def replace(self, connection: Connection, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        def expected(data: bytes | None) -> object:
            if data is None or self.settings.data_format == "json":
                return data and connection.data(data)
            # So that two long values need not fit into one statement.
            return b64encode(sha256(data).digest())

        entries = {key: new.entry for key, new in replacements.items()}
        expectations = {key: expected(new.expected) for key, new in replacements.items()}
        return [key for (key,) in (await connection.store("replace", entries, expectations)).rows]

    async def increment(self, connection: Connection, increments: Mapping[bytes, Increment]) -> Mapping[bytes, int]:
        batch = [
            connection.row(key, each.namespace, each.amount, each.ttl, each.key_text)
            for key, each in increments.items()
        ]
        return dict(await connection.write("increment", batch=batch))

    async def add(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        return (await connection.store("add", entries)).written

    async def delete(self, connection: Connection, keys: Sequence[bytes]) -> None:
        await connection.delete(keys)

    async def fetch(self, connection: Connection, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return await connection.read(name, **parameters)

    async def execute(self, connection: Connection, name: str, **parameters: Any) -> int:
        # A statement finds the keys. None ever changes its namespace and its text, so it needs no lock between the two.
        rows = await connection.read(name, **parameters)
        if rows:
            await connection.delete([key for (key,) in rows])
        return len(rows)

    async def delete_expired(self, connection: Connection, limit: int) -> int:
        shards = list(range(self.settings.shard_count))
        # Without locks in the index, and then with locks on these rows alone.
        rows = await connection.read("expired_keys", shards=shards, most=limit)
        batch = [connection.row(key) for (key,) in rows]
        return await connection.delete_found("still_expired", batch=batch) if batch else 0

    async def delete_owned(
        self, connection: Connection, namespace: str, owner: str, keep: bytes | None, limit: int
    ) -> int:
        kept = None if keep is None else b64encode(keep)
        return await connection.delete_found("delete_owned", namespace=namespace, owner=owner, keep=kept, most=limit)

    async def inspect(self, connection: Connection, keys: Sequence[bytes]) -> Sequence[Inspected]:
        rows = await connection.read("inspect", batch=[connection.row(key) for key in keys])
        return [Inspected(*row) for row in rows]

    async def check_table(self, connection: Connection) -> None:
        await connection.find_shards()
        await super().check_table(connection)

    async def create_table(self, connection: Connection) -> None:
        await connection.change_schema("create_table")

    async def drop_table(self, connection: Connection) -> None:
        await connection.change_schema("drop_table")
        connection.forget_shards()


class SpannerStore(BaseSQLSpecStore[SpannerAsyncConfig]):
    """A store on Cloud Spanner, through the asyncio client of google-cloud-spanner.

    The arguments and errors are those of :class:`~litestar_sqlstores.BaseSQLSpecStore`, and ``shard_count``: over how
    many parts the table and the index of the expiries are spread, so that no single server has all entries that expire
    next. A table is created for one number and serves no other.

    With ``read_staleness``, in seconds, reads may show what was there up to so long ago, so that the nearest replica
    can answer without asking the leader. What was written, renewed or removed meanwhile, even by this store, may not
    be seen yet: a session that has ended can be read for so long. What writes looks at the present, always.

    The config is SQLSpec's ``SpannerAsyncConfig``.
    """

    backend = SpannerBackend


async def _read_and_renew(
    connection: Connection, name: str, renewals: Mapping[bytes, Renewal]
) -> tuple[list[list[bytes]], int, Collection[bytes]]:
    rows = await connection.read(name, batch=[connection.row(key, *each) for key, each in renewals.items()])
    due = {key: expires_at for key, *_, expires_at in rows if expires_at is not None}
    if not due:
        return rows, 0, due
    batch = [connection.row(key, renewals[key].ttl, expires_at) for key, expires_at in due.items()]
    written = await connection.update_found("renew", ("key_digest", "expires_at", "updated_at"), batch=batch)
    return rows, written, due


def _turn(config: SpannerAsyncConfig) -> asyncio.Lock:
    """What lanes of all stores with one config take turns with: it would open its pool for each that asks at a time."""
    loop = asyncio.get_running_loop()
    known = _turns.get(config)
    if known is None or known[0] is not loop:
        known = _turns[config] = (loop, asyncio.Lock())
    return known[1]
