"""A backend of your own, outside of litestar-sqlstores: what docs/adding-a-backend.md makes, step by step.

It is a second one for SQLite, and a slow one, since each statement serves one key. A real one sends a batch as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from aiosqlite import Connection
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from litestar_sqlstores import BaseSQLSpecStore, ConfigurationError, KnownBackend, register_backend
from litestar_sqlstores.backends.base import Backend
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
from litestar_sqlstores.settings import Settings

__all__ = ("ToyBackend", "ToyConfig", "ToyStore")

FAILURES = (
    ("no such table", Failure.MISSING_TABLE),
    ("unknown database", Failure.MISSING_SCHEMA),
    ("no such column", Failure.WRONG_SCHEMA),
    ("has no column", Failure.WRONG_SCHEMA),
    ("locked", Failure.BUSY),
    ("constraint failed", Failure.BAD_VALUE),
    ("closed database", Failure.DISCONNECTED),
    ("unable to open", Failure.DISCONNECTED),
)


class ToyConfig(AiosqliteConfig):
    """A config that `create_store` knows this backend by. A real one is SQLSpec's config of your driver."""


class ToyBackend(Backend[ToyConfig, Connection]):
    """The statements of toy.sql: each for one key, a batch of them in one transaction."""

    dialect = "toy"
    sql_folder = Path(__file__).parent
    max_writers = 1  # SQLite has one

    def __init__(self, config: ToyConfig, settings: Settings) -> None:
        if settings.data_format != "bytes":
            msg = f"data_format is {settings.data_format!r}; the toy stores 'bytes' only"
            raise ConfigurationError(msg)
        super().__init__(config, settings)

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, sqlite3.Error):
            return next((failure for text, failure in FAILURES if text in str(error)), Failure.OTHER)
        # What Python cannot hand over: an int of more than 64 bits, or half a character.
        return Failure.BAD_VALUE if isinstance(error, (OverflowError, UnicodeEncodeError)) else Failure.OTHER

    async def get(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return {key: data for key, data, _ in await self._fetch(connection, "get", [(key,) for key in keys])}

    async def get_and_renew(
        self, connection: Connection, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        found = await self._fetch(connection, "get", [(key,) for key in renewals])
        rows = await self._fetch(connection, "renew", [(key, *renewals[key], expiry) for key, _, expiry in found])
        return Renewed({key: data for key, data, _ in found}, len(rows), [key for (key,) in rows])

    async def renew(self, connection: Connection, renewals: Mapping[bytes, Renewal]) -> Renewed[Iterable[bytes]]:
        return Renewed(*await self.get_and_renew(connection, renewals))

    async def remaining(self, connection: Connection, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        rows = await self._fetch(connection, "remaining", [(key,) for key in keys])
        return {key: NEVER if remaining is None else remaining for key, remaining in rows}

    async def set(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, *_columns(entry), entry.tolerance) for key, entry in entries.items()]
        return await self._write(connection, "set", rows)

    async def set_keeping_ttl(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, *_columns(entry._replace(ttl=None))) for key, entry in entries.items()]
        return await self._write(connection, "set_keeping_ttl", rows)

    async def replace(self, connection: Connection, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        rows = [(key, new.data, new.ttl, new.owner, expected) for key, (new, expected) in replacements.items()]
        return [key for (key,) in await self._fetch(connection, "replace", rows)]

    async def increment(self, connection: Connection, increments: Mapping[bytes, Increment]) -> Mapping[bytes, int]:
        rows = [(key, each.namespace, each.amount, each.ttl, None, each.key_text) for key, each in increments.items()]
        return dict(await self._fetch(connection, "increment", rows))

    async def add(self, connection: Connection, entries: Mapping[bytes, Entry]) -> int:
        rows = [(key, *_columns(entry._replace(key_text=None))) for key, entry in entries.items()]
        return await self._write(connection, "add", rows)

    async def delete(self, connection: Connection, keys: Sequence[bytes]) -> None:
        await self._write(connection, "delete", [(key,) for key in keys])

    async def fetch(self, connection: Connection, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return await self._fetch(connection, name, [tuple(parameters.values())])

    async def execute(self, connection: Connection, name: str, **parameters: Any) -> int:
        return await self._write(connection, name, [tuple(parameters.values())])

    async def stats(self, connection: Connection, bounds: Sequence[int]) -> Sequence[Stats]:
        return [Stats(*row) for row in await self._fetch(connection, "stats", [tuple(bounds)])]

    async def inspect(self, connection: Connection, keys: Sequence[bytes]) -> Sequence[Inspected]:
        return [Inspected(*row) for row in await self._fetch(connection, "inspect", [(key,) for key in keys])]

    async def _fetch(self, connection: Connection, name: str, batch: Sequence[tuple[Any, ...]]) -> list[Any]:
        return (await self._run(connection, name, batch))[0]

    async def _write(self, connection: Connection, name: str, batch: Sequence[tuple[Any, ...]]) -> int:
        return (await self._run(connection, name, batch))[1]

    async def _run(self, connection: Connection, name: str, batch: Sequence[tuple[Any, ...]]) -> tuple[list[Any], int]:
        """Run what is under a name with each of a batch, as one transaction: the rows, and how many were changed."""
        rows: list[Any] = []
        changed = 0
        await connection.execute("BEGIN IMMEDIATE")
        try:
            for parameters in batch:
                for sql in self.sql[name].split(";"):
                    async with connection.execute(sql, parameters) as cursor:
                        rows += await cursor.fetchall()
                        changed += max(0, cursor.rowcount)
            await connection.commit()
        except BaseException:
            await connection.rollback()
            raise
        return rows, changed


class ToyStore(BaseSQLSpecStore[ToyConfig]):
    """A store on SQLite through the toy backend."""

    backend = ToyBackend


def _columns(entry: Entry) -> tuple[Any, ...]:
    return entry.namespace, entry.data, entry.ttl, entry.owner, entry.key_text


def _connection_config(url: str, connections: int) -> Mapping[str, Any]:
    """What the config takes for a URL such as toy:///app.db."""
    return {"database": unquote(urlsplit(url).path[1:]), "pool_size": connections}


register_backend(
    KnownBackend(
        store="examples.toy_backend:ToyStore",
        config="examples.toy_backend:ToyConfig",
        driver="aiosqlite",
        schemes=("toy",),
        connection_config=_connection_config,
    )
)
