"""Oracle Database through python-oracledb in its thin mode, which needs no Oracle client.

A batch is one query for all of its keys, and one array bind for what has to be written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import oracledb
from sqlspec.adapters.oracledb import OracleAsyncConfig

from litestar_sqlstores.backends.base import Backend, too_old
from litestar_sqlstores.backends.oracle_changes import due, is_stored, total
from litestar_sqlstores.backends.oracle_client import Connection, format_of_table
from litestar_sqlstores.backends.oracle_errors import INDEXED_ALREADY, MISSING_TABLE, NAME_IN_USE, meaning
from litestar_sqlstores.backends.oracle_statements import MILLISECOND, Format, Statements, plain
from litestar_sqlstores.backends.records import (
    NEVER,
    Entry,
    Increment,
    Inspected,
    Renewal,
    Renewed,
    Replacement,
    Stats,
)
from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.schema import Shape
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("OracleBackend", "OracleStore")

OLDEST = 19


class OracleBackend(Backend[OracleAsyncConfig, Connection]):
    """The statements of Oracle: queries for a list of keys, and array binds."""

    dialect = "oracle"
    options = frozenset({"in_memory"})
    relaxes = True
    _statements: Statements | None = None
    _has_json_type = False

    @property
    def _format(self) -> Format:
        if self.settings.data_format == "bytes":
            return "bytes"
        return "json" if self._has_json_type else "json_text"

    def check_durability(self) -> None:
        # A session of Oracle's says how its commits are made; another round trip for each statement would say it anew.
        if len(set(self.settings.durabilities.values())) > 1:
            msg = (
                f"durability={self.settings.durability!r} is not supported: on Oracle all namespaces of a store are"
                " equally durable. Give durability='relaxed' to a store of its own"
            )
            raise ConfigurationError(msg)

    def relaxed(self) -> Self:
        # The whole store is, by what its connections are set to.
        return self

    def variants(self) -> tuple[str, ...]:
        storage = "in_memory" if self.settings.in_memory else "on_disk"
        return (*dict.fromkeys((self._format, "bytes")), storage)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with self.config.provide_connection() as raw:
            if self._statements is None:
                self._statements = await self._statements_for(raw)
            autocommit = raw.autocommit
            raw.autocommit = False
            relaxed = "relaxed" in self.settings.durabilities.values()
            if relaxed:
                await raw.execute(self.sql["relax_session"])
            try:
                yield Connection(raw, self._statements)
            finally:
                raw.autocommit = autocommit
                if relaxed and not self.owns_pool:
                    # A connection that is lost has no session any more.
                    with suppress(oracledb.Error):
                        await raw.execute(self.sql["restore_session"])

    async def _statements_for(self, raw: oracledb.AsyncConnection) -> Statements:
        """The statements that the server understands, and that suit the table if it is there."""
        version = int(raw.version.partition(".")[0])
        if version < OLDEST:
            raise too_old(f"server is Oracle Database {raw.version}", f"{OLDEST}c")
        # A table that is older than the server's last upgrade keeps its type.
        self._has_json_type = version >= 21 and await self._format_of_table(raw) != "json_text"
        self.sql = self.load_sql()
        return Statements(self.sql, self._format)

    async def _format_of_table(self, raw: oracledb.AsyncConnection) -> Format | None:
        try:
            return await format_of_table(raw, self.sql["check_table"])
        except oracledb.DatabaseError as error:
            if self.classify(error) in {Failure.MISSING_TABLE, Failure.WRONG_SCHEMA}:
                return None
            raise

    def classify(self, error: Exception) -> Failure:
        return meaning(error)

    async def get(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return {key: row.data for key, row in (await connection.read("get", keys)).items() if row.is_alive}

    async def get_and_renew(
        self, connection: Connection, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        found = await connection.read("get", list(renewals))
        alive = {key: row for key, row in found.items() if row.is_alive}
        seen = [(key, row.expires_at, row.remaining) for key, row in alive.items()]
        changes = due(seen, renewals)
        written = sum(await connection.write("renew", changes))
        return Renewed({key: row.data for key, row in alive.items()}, written, [each["digest"] for each in changes])

    async def renew(self, connection: Connection, renewals: Mapping[bytes, Renewal]) -> Renewed[Iterable[bytes]]:
        seen = await connection.select_keys("remaining", list(renewals))
        written = sum(await connection.write("renew", due(seen, renewals)))
        return Renewed([key for key, *_ in seen], written)

    async def remaining(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        rows = await connection.select_keys("remaining", keys)
        return {key: NEVER if remaining is None else remaining // MILLISECOND for key, _, remaining in rows}

    async def set(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        return await _store(connection, "update", entries)

    async def set_keeping_ttl(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        return await _store(connection, "update_keeping_ttl", entries)

    async def replace(self, connection: Connection, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        expected = {key: each.expected for key, each in replacements.items() if each.expected is not None}
        async with connection.transaction():
            held = await connection.read("lock", list(expected)) if expected else {}
            rows = [
                connection.row(key, entry)
                for key, (entry, data) in replacements.items()
                if data is None or (key in held and connection.is_same(held[key].data, data))
            ]
            counts = await connection.write("replace", rows)
        return [row["digest"] for row, count in zip(rows, counts, strict=True) if count]

    async def increment(self, connection: Connection, increments: Mapping[bytes, Increment]) -> Mapping[bytes, int]:
        numbers: dict[bytes, int] = {}
        rows: dict[str, list[dict[str, Any]]] = {"update_number": [], "update": [], "insert": []}
        async with connection.transaction():
            held = await connection.read("lock", list(increments))
            for key, each in increments.items():
                row = held.get(key)
                alive = row if row is not None and row.is_alive else None
                statement = "update_number" if alive else "update" if row else "insert"
                numbers[key] = total(alive.data if alive else b"0", each.amount)
                data = b"%d" % numbers[key]
                entry = Entry(each.namespace, data, each.ttl, 0, None, each.key_text)
                rows[statement].append(connection.row(key, entry))
            for statement, batch in rows.items():
                await connection.write(statement, batch)
        return numbers

    async def add(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        async with connection.transaction():
            held = await connection.read("lock", list(entries))
            gone = {key: entry for key, entry in entries.items() if key not in held or not held[key].is_alive}
            rows = {key: connection.row(key, entry._replace(key_text=None)) for key, entry in gone.items()}
            counts = await connection.write("update", [row for key, row in rows.items() if key in held])
            counts += await connection.write("insert", [row for key, row in rows.items() if key not in held])
            return sum(counts)

    async def delete(self, connection: Connection, keys: Sequence[bytes]) -> None:
        await connection.write("delete", [{"digest": key} for key in keys])

    async def fetch(self, connection: Connection, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return [tuple(map(plain, row)) for row in await connection.select(name, **parameters)]

    async def execute(self, connection: Connection, name: str, **parameters: Any) -> int:
        return await connection.delete(name, **parameters)

    async def delete_expired(self, connection: Connection, limit: int) -> int:
        async with connection.transaction():
            rows = await connection.select("lock_expired", most=limit)
            return sum(await connection.write("delete", [{"digest": key} for (key,) in rows]))

    async def delete_owned(
        self, connection: Connection, namespace: str, owner: str, keep: bytes | None, limit: int
    ) -> int:
        # No key has a digest of one byte.
        return await super().delete_owned(connection, namespace, owner, keep or b"\0", limit)

    async def stats(self, connection: Connection, bounds: Sequence[int]) -> Sequence[Stats]:
        rows = await self.fetch(
            connection, "stats", **{f"b{number}": bound for number, bound in enumerate(bounds) if number}
        )
        return [
            Stats(namespace, None if number is None else int(number), *map(int, sums))
            for namespace, number, *sums in rows
        ]

    async def inspect(self, connection: Connection, keys: Sequence[bytes]) -> Sequence[Inspected]:
        return [Inspected(*map(plain, row)) for row in await connection.select_keys("inspect", keys)]

    async def check_table(self, connection: Connection) -> None:
        if await connection.format_of_table() != self._format:
            raise self._describe(Failure.WRONG_SCHEMA, "")

    async def table_shape(self, connection: Connection) -> Shape:
        return await connection.table_shape(self.table.schema, self.table.table)

    def normal_type(self, name: str) -> str:
        # What the driver calls a VARCHAR; and a DATE has a time, as a TIMESTAMP has.
        return name.partition("(")[0].replace("VARCHAR2", "VARCHAR").replace("DATE", "TIMESTAMP")

    async def create_table(self, connection: Connection) -> None:
        # There is no IF NOT EXISTS before 23ai: who comes second finds what is there.
        await connection.define("create_table", ignored={NAME_IN_USE, INDEXED_ALREADY})

    async def drop_table(self, connection: Connection) -> None:
        await connection.define("drop_table", ignored={MISSING_TABLE})


class OracleStore(BaseSQLSpecStore[OracleAsyncConfig]):
    """A store on Oracle Database 19c or later, through python-oracledb.

    ``in_memory=True`` has :meth:`create_table` put the table into Oracle's column store (``INMEMORY PRIORITY HIGH``),
    for those who analyse it and whose licence covers that; no operation of the store is any faster.

    The other arguments and the errors are those of :class:`~litestar_sqlstores.BaseSQLSpecStore`; the config is
    SQLSpec's ``OracleAsyncConfig``.
    """

    backend = OracleBackend


async def _store(connection: Connection, update: str, entries: Mapping[bytes, Entry]) -> int:
    """Write what is not stored already: in place of the row that is there, or as a new one; how many."""
    keep_ttl = update == "update_keeping_ttl"
    found = await connection.read("get", list(entries))
    rows = {
        key: connection.row(key, entry._replace(ttl=None) if keep_ttl else entry)
        for key, entry in entries.items()
        if not (key in found and is_stored(found[key], entry, connection.is_same, keep_ttl=keep_ttl))
    }
    replacing = [row for key, row in rows.items() if key in found]
    counts = await connection.write(update, replacing)
    gone = {row["digest"] for row, count in zip(replacing, counts, strict=True) if not count}
    # A transaction of its own: each then locks its rows in the order of their keys, and none waits for a later one.
    inserted = await connection.write("insert", [row for key, row in rows.items() if key not in found or key in gone])
    return sum(counts) + sum(inserted)
