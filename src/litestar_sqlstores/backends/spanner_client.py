"""Statements through the asyncio client of google-cloud-spanner: what they take, what they give, how they commit.

The client's ``Database`` serves all lanes, with a session for each transaction. SQLSpec's driver is one level above: it
would hand out bytes as base64.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from google.api_core.exceptions import FailedPrecondition, GoogleAPIError, ServiceUnavailable
from google.api_core.retry import AsyncRetry, if_exception_type
from google.cloud.spanner_v1 import KeySet

from litestar_sqlstores.backends.records import Entry
from litestar_sqlstores.backends.spanner_values import ParameterTypes, decoded
from litestar_sqlstores.coalescing import MAX_BATCH_BYTES
from litestar_sqlstores.errors import SchemaError
from litestar_sqlstores.settings import Settings
from litestar_sqlstores.statements import TableName

__all__ = ("Connection", "ForeignTableError")

ResultT = TypeVar("ResultT")

ABORTED_DELAY = 0.02
"""Seconds until an aborted transaction is tried again, where the server does not say."""
ROLLBACK_SECONDS = 1.0

# What callers asked to read, for itself.
_MAY_BE_STALE = frozenset({"get", "get_for_renewal", "remaining", "owned"})


class ForeignTableError(Exception):
    """The table is another's, which a commit alone would not find out."""


class Done(NamedTuple):
    """What a statement has returned, and how many rows it has written."""

    rows: list[Any]
    written: int


class Connection:
    """The statements of one table in one database.

    Args:
        database: The client's ``Database``.
        sql: The statements by name.
        settings: The settings of the store.
    """

    def __init__(self, database: Any, sql: Mapping[str, str], settings: Settings) -> None:
        self.database = database
        self._sql = sql
        self._table = TableName.parse(settings.table)
        self._shards = settings.shard_count
        self._shards_found: int | None = None
        self._json = settings.data_format == "json"
        self._types = ParameterTypes(json=self._json)
        # The client would try again for ever, and without a pause.
        unavailable = if_exception_type(ServiceUnavailable)
        self._retry = AsyncRetry(unavailable, initial=0.05, maximum=1.0, timeout=settings.timeout / 3)
        self._timeout = settings.timeout
        self._staleness = (
            {"max_staleness": timedelta(seconds=settings.read_staleness)} if settings.read_staleness else {}
        )
        self._aborted = {"timeout_secs": settings.timeout, "default_retry_delay": ABORTED_DELAY}

    async def read(self, name: str, **parameters: Any) -> list[Any]:
        """The rows of a statement, in one request."""
        async with self.database.snapshot(**(self._staleness if name in _MAY_BE_STALE else {})) as snapshot:
            return await self._execute(snapshot, name, parameters)

    async def write(self, name: str, **parameters: Any) -> list[Any]:
        """Run a statement and commit; the rows that it returns."""

        async def work(transaction: Any) -> list[Any]:
            return await self._execute(transaction, name, parameters, last_statement=True)

        return await self._in_transaction(work)

    async def store(self, name: str, entries: Mapping[bytes, Entry], *more: Mapping[bytes, Any]) -> Done:
        """Run a statement that stores entries, and commit."""
        batch: list[list[Any]] = []
        # A statement has room for 10 MB, which base64 fills early, a commit for 100: the longest travel with that.
        long: dict[bytes, Any] = {}
        for key, entry in entries.items():
            data = self.data(entry.data)
            if len(entry.data) > MAX_BATCH_BYTES and not self._json:
                long[key], data = data, b""
            rest = [entry.ttl, entry.tolerance, entry.owner, entry.key_text, *(column[key] for column in more)]
            batch.append(self.row(key, entry.namespace, data, *rest))

        async def work(transaction: Any) -> Done:
            done = await self._run(transaction, name, {"batch": batch}, last_statement=not long)
            stored = {key for (key,) in done.rows} if name in {"add", "replace"} else long
            if values := [(b64encode(key), long[key]) for key in long if key in stored]:
                transaction.update(str(self._table), ("key_digest", "data"), values)
            return done

        return await self._in_transaction(work)

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Remove rows by key, in one request."""
        self._check_shards()
        async with self.database.batch(**self._aborted) as batch:
            batch.delete(str(self._table), self._key_set(keys))

    async def update_found(self, name: str, columns: Sequence[str], **parameters: Any) -> int:
        """Write the rows that a statement finds, the key first, as one transaction; how many."""

        async def work(transaction: Any) -> int:
            rows = await self._execute(transaction, name, parameters)
            if rows:
                values = [(b64encode(key), *values) for key, *values in rows]
                transaction.update(str(self._table), columns, values)
            return len(rows)

        return await self._in_transaction(work)

    async def delete_found(self, name: str, **parameters: Any) -> int:
        """Remove the rows whose keys a statement finds, as one transaction; how many."""

        async def work(transaction: Any) -> int:
            rows = await self._execute(transaction, name, parameters)
            if rows:
                transaction.delete(str(self._table), self._key_set([key for (key,) in rows]))
            return len(rows)

        return await self._in_transaction(work)

    async def change_schema(self, name: str) -> None:
        """Run the schema changes under a name."""

        async def run() -> None:
            operation = await self.database.update_ddl(self._sql[name].split(";"))
            await operation.result()

        # Spanner puts them in a queue, but the emulator refuses the second.
        retry: Any = AsyncRetry(_is_busy, initial=0.02, maximum=0.5, timeout=self._timeout)
        await retry(run)()

    async def find_shards(self) -> None:
        """See how many shards the table has, once there is one."""
        if self._shards_found is None:
            for (found,) in await self.read("shard_count", schema=self._table.schema or "", table=self._table.table):
                self._shards_found = 1 if found is None else found

    def forget_shards(self) -> None:
        """The table is gone."""
        self._shards_found = None

    # -- what statements take

    def row(self, key: bytes, *values: Any) -> list[Any]:
        """What a batch has for a key."""
        return [self._shard(key), b64encode(key), *values]

    def data(self, data: bytes) -> Any:
        """What the client takes for data."""
        return data.decode() if self._json else b64encode(data)

    def _shard(self, key: bytes) -> int:
        return int.from_bytes(key[:2], "big") % self._shards

    def _key_set(self, keys: Sequence[bytes]) -> KeySet:
        return KeySet(keys=[self.row(key)[0 if self._shards > 1 else 1 :] for key in keys])

    # -- how they run

    def _check_shards(self) -> None:
        if self._shards_found == 0:
            raise ForeignTableError
        if self._shards_found not in (None, self._shards):
            # Keys would be looked for where they are not.
            msg = f"table {str(self._table)!r} has shard_count={self._shards_found}, not {self._shards}"
            raise SchemaError(msg)

    async def _in_transaction(self, work: Callable[[Any], Awaitable[ResultT]]) -> ResultT:
        """Run ``work`` and commit; again if that is aborted, when the server says."""

        async def run(transaction: Any) -> ResultT:
            try:
                return await work(transaction)
            except asyncio.CancelledError:
                # The server would keep its locks for ten seconds.
                with suppress(GoogleAPIError, TimeoutError):
                    await asyncio.wait_for(transaction.rollback(), ROLLBACK_SECONDS)
                raise

        # The client marks the context of a transaction, and the mark stays there if it gets no session.
        return await asyncio.create_task(self.database.run_in_transaction(run, **self._aborted), context=Context())

    async def _execute(
        self, context: Any, name: str, parameters: Mapping[str, Any], *, last_statement: bool = False
    ) -> list[Any]:
        return (await self._run(context, name, parameters, last_statement=last_statement)).rows

    async def _run(
        self, context: Any, name: str, parameters: Mapping[str, Any], *, last_statement: bool = False
    ) -> Done:
        if name not in {"shard_count", "table_shape"}:
            self._check_shards()
        result = await context.execute_sql(
            self._sql[name],
            parameters,
            self._types.of(name, parameters),
            retry=self._retry,
            last_statement=last_statement,
            lazy_decode=True,
        )
        rows = [row async for row in result]
        return Done(decoded(result.fields, rows), 0 if result.stats is None else result.stats.row_count_exact)


def _is_busy(error: Exception) -> bool:
    return isinstance(error, FailedPrecondition) and "concurrent schema change" in str(error)
