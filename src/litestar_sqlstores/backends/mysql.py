"""MySQL and MariaDB, through any driver whose connections are those of aiomysql.

Statements are sent with the values in them, as literals, because that is all that the drivers do too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from litestar_sqlstores.backends.base import Backend, too_old
from litestar_sqlstores.backends.mysql_client import Connection, Statements, rolled_back_on_error
from litestar_sqlstores.backends.mysql_errors import FAILURES, STATEMENT_LOG, UNKNOWN_COLUMN, UNKNOWN_DATABASE
from litestar_sqlstores.backends.mysql_literals import Value
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
from litestar_sqlstores.errors import ConfigurationError, StoreError
from litestar_sqlstores.settings import Settings

__all__ = ("MySQLBackend",)

logger = logging.getLogger("litestar_sqlstores")

ConfigT = TypeVar("ConfigT")

OLDEST = {"MySQL": (8, 0, 19), "MariaDB": (10, 6)}
LOGS_STATEMENTS = (
    "the server logs statements (binlog_format = STATEMENT), and refuses what writes under READ COMMITTED, as the store"
    " does; set binlog_format = ROW or MIXED"
)
GALERA = (
    "the server is a node of a Galera cluster (wsrep_on), which loses updates when several nodes write: send all that"
    " writes to one node, as docs/operations.md says"
)
MAX_LOCK_WAIT = 50
"""Seconds; what MySQL and MariaDB wait for a lock by default."""


class MySQLBackend(Backend[ConfigT, Connection]):
    """The statements of MySQL and MariaDB: one for a batch, with a line for each entry."""

    dialect = "mysql"
    quote = "`"
    relaxes_not = "a MySQL server decides for all of its clients (innodb_flush_log_at_trx_commit, sync_binlog)"
    cursor_class: ClassVar[type[Any]]
    """The driver's plain cursor; the caller's config may have chosen another one."""
    driver_error: ClassVar[type[Exception]]
    """The base of the driver's errors; the first argument is the code."""

    _server = "MariaDB"
    """As long as no connection has told."""
    _notes = "switch"
    """How notes are turned off. MariaDB has a variable of its own for that, and warns of the other one from 11.8 on."""

    def __init__(self, config: ConfigT, settings: Settings) -> None:
        super().__init__(config, settings)
        self._statements = Statements(self.sql, self.cursor_class)
        self._lock_wait = max(1, min(MAX_LOCK_WAIT, int(settings.timeout / 3)))
        self._entered = WeakSet[Connection]()

    def variants(self) -> tuple[str, ...]:
        data_format, server = self.settings.data_format, self._server.lower()
        return data_format, server, f"{data_format}_{server}", self._notes

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with super().connect() as connection:
            if not self.is_as_secure_as_asked(connection):
                connection.close()
                msg = "the server does not encrypt connections, and TLS is asked for (ssl); turn it on there"
                raise ConfigurationError(msg)
            if not self._statements.max_packet:
                await self._meet_server(connection)
            if connection not in self._entered:
                await self._statements.run(connection, "enter_session", lock_wait=self._lock_wait)
            if self.owns_pool:
                self._entered.add(connection)
                yield connection
                return
            try:
                yield connection
            finally:
                try:
                    await self._statements.run(connection, "leave_session")
                except Exception:  # noqa: BLE001 - nobody needs the connection, and nobody else may get it
                    connection.close()

    def is_as_secure_as_asked(self, connection: Connection) -> bool:  # noqa: ARG002 - for drivers that make sure of it
        """Whether a connection is encrypted, if it is to be."""
        return True

    async def _meet_server(self, connection: Connection) -> None:
        found = dict(await self._statements.fetch(connection, "server"))
        version = found["version"]
        server = "MariaDB" if "mariadb" in version.lower() else "MySQL"
        if tuple(map(int, re.findall(r"\d+", version)[:3])) < OLDEST[server]:
            needed = " or ".join(f"{name} {'.'.join(map(str, oldest))}" for name, oldest in OLDEST.items())
            raise too_old(f"server is {server} {version}", needed)
        if found["log_bin"] == found["sql_log_bin"] == "ON" and found.get("binlog_format") == "STATEMENT":
            raise ConfigurationError(LOGS_STATEMENTS)
        if found.get("wsrep_on") == "ON":
            logger.warning(GALERA)
        self._server = server
        self._notes = "verbosity" if "note_verbosity" in found else "switch"
        self.sql = self.load_sql()
        self._statements = Statements(self.sql, self.cursor_class, int(found["max_allowed_packet"]))

    async def discard(self, connection: Connection) -> None:
        connection.close()

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, self.driver_error):
            code = error.args[0] if error.args else None
            if not isinstance(code, int) or not code:
                # About the connection, and from the driver itself: closed, out of step, cancelled.
                return Failure.DISCONNECTED
            # Without a schema it is the database of the connection that is unknown.
            if code == UNKNOWN_DATABASE and self.table.schema:
                return Failure.MISSING_SCHEMA
            return FAILURES.get(code, Failure.OTHER)
        if isinstance(error, OSError):
            return Failure.DISCONNECTED
        return Failure.BAD_VALUE if isinstance(error, ValueError) else Failure.OTHER

    def describe(self, error: Exception) -> StoreError:
        if isinstance(error, self.driver_error) and error.args[:1] == (STATEMENT_LOG,):
            described = ConfigurationError(LOGS_STATEMENTS)
            described.__cause__ = error
            return described
        return super().describe(error)

    async def get(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return dict(await self._statements.fetch(connection, "get", keys=[*keys]))

    async def get_and_renew(
        self, connection: Connection, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        rows = await self._statements.fetch(connection, "get_for_renewal", keys=[*renewals])
        due, written = await self._renew_due(
            connection, renewals, [(key, left, expiry) for key, _, left, expiry in rows]
        )
        return Renewed({key: data for key, data, _, _ in rows}, written, due)

    async def renew(self, connection: Connection, renewals: Mapping[bytes, Renewal]) -> Renewed[Iterable[bytes]]:
        rows = await self._statements.fetch(connection, "remaining", keys=[*renewals])
        due, written = await self._renew_due(connection, renewals, rows)
        return Renewed([key for key, _, _ in rows], written, due)

    async def _renew_due(
        self, connection: Connection, renewals: Mapping[bytes, Renewal], found: Iterable[tuple[Any, ...]]
    ) -> tuple[Collection[bytes], int]:
        due = {
            key: expiry
            for key, left, expiry in found
            if left is not None and abs(left - renewals[key].ttl) > renewals[key].tolerance
        }
        rows = [(key, renewal.ttl, due[key]) for key, renewal in renewals.items() if key in due]
        return due, await self._statements.write(connection, "renew", rows) if rows else 0

    async def remaining(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        rows = await self._statements.fetch(connection, "remaining", keys=[*keys])
        return {key: NEVER if left is None else left for key, left, _ in rows}

    async def set(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        rows: dict[int, list[tuple[Value, ...]]] = {}
        for key, new in entries.items():
            row = *_row(key, new), new.key_text
            rows.setdefault(new.tolerance, []).append(row)
        # There is hardly ever more than one tolerance.
        return sum(
            [
                await self._statements.upsert(connection, "set", alike, tolerance=tolerance)
                for tolerance, alike in rows.items()
            ]
        )

    async def set_keeping_ttl(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, new.namespace, new.data, new.owner, new.key_text) for key, new in entries.items()]
        return await self._statements.upsert(connection, "set_keeping_ttl", rows)

    async def replace(self, connection: Connection, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        expected = [(key, new.expected) for key, new in replacements.items()]
        async with rolled_back_on_error(connection):
            rows = await self._statements.fetch(connection, "lock_for_replacement", expected, keys=[*replacements])
            found = {key for (key,) in rows}
            if not found:
                await connection.rollback()
                return found
            replaced = [_row(key, new.entry) for key, new in replacements.items() if key in found]
            await self._statements.run(connection, "replace", replaced)
            return found

    async def increment(self, connection: Connection, increments: Mapping[bytes, Increment]) -> Mapping[bytes, int]:
        rows = [(key, each.namespace, each.amount, each.ttl, each.key_text) for key, each in increments.items()]
        async with rolled_back_on_error(connection):
            return dict(await self._statements.fetch(connection, "increment", rows, keys=[*increments]))

    async def add(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        return await self._statements.upsert(connection, "add", [_row(key, new) for key, new in entries.items()])

    async def delete(self, connection: Connection, keys: Sequence[bytes]) -> None:
        await self._statements.run(connection, "delete", [(key,) for key in keys])

    async def fetch(self, connection: Connection, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return await self._statements.fetch(connection, name, **parameters)

    async def execute(self, connection: Connection, name: str, **parameters: Any) -> int:
        return await self._statements.write(connection, name, **parameters)

    async def stats(self, connection: Connection, bounds: Sequence[int]) -> Sequence[Stats]:
        rows = await self.fetch(connection, "stats", bounds=list(bounds))
        return [Stats(namespace.decode(), None if number < 0 else number, *sums) for namespace, number, *sums in rows]

    async def namespaces(self, connection: Connection) -> Sequence[str]:
        return [namespace.decode() for (namespace,) in await self.fetch(connection, "namespaces")]

    async def inspect(self, connection: Connection, keys: Sequence[bytes]) -> Sequence[Inspected]:
        rows = await self.fetch(connection, "inspect", keys=list(keys))
        # The connection's character set may lack what is in an owner.
        return [
            Inspected(key, namespace.decode(), size, None if owner is None else owner.decode(), *rest)
            for key, namespace, size, owner, *rest in rows
        ]

    async def check_table(self, connection: Connection) -> None:
        await super().check_table(connection)
        if not await self.fetch(connection, "check_format"):
            raise self.driver_error(UNKNOWN_COLUMN, "Data of the other format")

    def normal_type(self, name: str) -> str:
        # MySQL drops the width of an int, and MariaDB's JSON is a LONGTEXT that is checked.
        return re.sub(r"^int\(\d+\)", "int", name.lower()).replace("longtext", "json")


def _row(key: bytes, new: Entry) -> tuple[Value, ...]:
    return key, new.namespace, new.data, new.ttl, new.owner
