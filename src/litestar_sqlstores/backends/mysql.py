"""MySQL and MariaDB, through any driver whose connections are those of aiomysql.

Statements are sent with the values in them, as literals, because that is all that the drivers do too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from litestar_sqlstores.backends.mysql_client import Connection, transaction
from litestar_sqlstores.backends.mysql_connections import MySQLConnections
from litestar_sqlstores.backends.mysql_errors import UNKNOWN_COLUMN
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

__all__ = ("MySQLBackend",)

ConfigT = TypeVar("ConfigT")


class MySQLBackend(MySQLConnections[ConfigT]):
    """The statements of MySQL and MariaDB: one for a batch, with a line for each entry."""

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
        rows = [(*_row(key, new), new.key_text) for key, new in entries.items()]
        tolerances = [new.tolerance for new in entries.values()]
        if len(set(tolerances)) == 1:
            return await self._statements.upsert(connection, "set", rows, tolerance=tolerances[0])
        return await self._statements.upsert(connection, "set_mixed", rows, keys=[*entries], tolerances=tolerances)

    async def set_keeping_ttl(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, new.namespace, new.data, new.owner, new.key_text) for key, new in entries.items()]
        return await self._statements.upsert(connection, "set_keeping_ttl", rows)

    async def replace(self, connection: Connection, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        expected = [(key, new.expected) for key, new in replacements.items()]
        async with transaction(connection):
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
        async with transaction(connection):
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
