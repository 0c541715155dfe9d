"""Statements through python-oracledb: lists of keys in a query, array binds, transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import oracledb

from litestar_sqlstores.backends.oracle_statements import (
    READ_SIZES,
    Format,
    Found,
    Statements,
    bound,
    plain,
)
from litestar_sqlstores.backends.records import Entry
from litestar_sqlstores.schema import Shape, shape_of

__all__ = ("Connection", "format_of_table")

PREFETCH_ROWS = 1000
"""How many rows come with the answer to a query at most; further ones take further round trips."""
MAX_MARKS = 20
"""How many indexes a table has, more or less."""


class Connection:
    """A connection, for the statements of one table. It commits what it writes, except in a transaction.

    Args:
        raw: The driver's connection.
        statements: What it runs.
    """

    def __init__(self, raw: oracledb.AsyncConnection, statements: Statements) -> None:
        self._raw = raw
        self._statements = statements
        self._in_transaction = False
        self.is_same = statements.is_same

    async def read(self, name: str, keys: Sequence[bytes]) -> dict[bytes, Found]:
        """The entries that there are, expired or not."""
        rows = await self.select_keys(name, keys)
        # Whatever is long is read anew as a whole: its other columns belong to the same moment.
        long = [key for key, *_, short, is_there in rows if short is None and is_there]
        if long:
            rows = [row for row in rows if row[0] not in set(long)]
        whole = await self.select_keys("get_whole", long) if long else []
        decode = self._statements.decode
        return {
            key: Found(plain(owner), expires_at, remaining, decode(data))
            for key, owner, expires_at, remaining, data, *_ in (*rows, *whole)
        }

    async def select_keys(self, name: str, keys: Sequence[bytes]) -> list[Any]:
        """The rows for some keys, in one round trip unless there is a LOB among the columns."""
        size = next(size for size in READ_SIZES if size >= len(keys))
        padding = [keys[-1]] * (size - len(keys))
        return await self._select(self._statements.queries[name, size], [*keys, *padding], len(keys))

    async def select(self, name: str, **parameters: Any) -> list[Any]:
        """The rows of a query that takes no keys; at most ``most``, if it has that."""
        rows = min(parameters.get("most", PREFETCH_ROWS), PREFETCH_ROWS)
        return await self._select(self._statements.sql[name], bound(parameters), rows)

    async def _select(self, sql: str, parameters: Any, rows: int) -> list[Any]:
        with self._raw.cursor() as cursor:
            cursor.outputtypehandler = _lobs_as_bytes
            # One more than there can be, so that the end comes with the last of them.
            cursor.arraysize = cursor.prefetchrows = rows + 1
            await cursor.execute(sql, parameters)
            found: list[Any] = await cursor.fetchall()
        return found

    def row(self, key: bytes, entry: Entry) -> dict[str, Any]:
        """What an entry is bound as."""
        return {
            "digest": key,
            "namespace": entry.namespace,
            "data": self._statements.encode(entry.data),
            "ttl": entry.ttl,
            **bound({"owner": entry.owner}),
            "keytext": entry.key_text,
        }

    async def write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Run a statement for each of the rows, as an array bind; how many rows of the table each of them changed."""
        counts = [0] * len(rows)
        for numbers, types in self._statements.array_binds(name, rows):
            given = [{bind: rows[number][bind] for bind in self._statements.binds[name]} for number in numbers]
            if types.get("data") is oracledb.DB_TYPE_BLOB:
                for row in given:
                    row["data"] = await self._raw.createlob(oracledb.DB_TYPE_BLOB, row["data"])
            changed = await self._write(self._statements.sql[name], given, types) if given else []
            for number, count in zip(numbers, changed, strict=True):
                counts[number] = count
        return counts

    async def _write(self, sql: str, rows: list[dict[str, Any]], types: Mapping[str, Any]) -> list[int]:
        with self._raw.cursor() as cursor:
            if types:
                cursor.setinputsizes(**types)
            # The commit comes with the statement, unless that fails.
            self._raw.autocommit = not self._in_transaction
            try:
                await cursor.executemany(sql, rows, arraydmlrowcounts=True)
                return list(cursor.getarraydmlrowcounts())
            except Exception:
                await self._roll_back()
                raise
            finally:
                self._raw.autocommit = False

    async def delete(self, name: str, most: int, **parameters: object) -> int:
        """Remove at most so many rows, by a statement that says which; how many. If fewer, none is left."""
        total = 0
        # What others have removed meanwhile does not count, so a batch that is not full may not be the last one.
        while total < most:
            [removed] = await self.write(name, [{**bound(parameters), "most": most - total}])
            if not removed:
                break
            total += removed
        return total

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit what is done inside at its end, or roll it back."""
        self._in_transaction = True
        try:
            yield
            await self._raw.commit()
        except Exception:
            await self._roll_back()
            raise
        finally:
            self._in_transaction = False

    async def _roll_back(self) -> None:
        # A connection that is lost has nothing to roll back.
        with suppress(oracledb.Error):
            await self._raw.rollback()

    async def format_of_table(self) -> Format:
        """How the table holds data; the driver's error if it is missing, or lacks a column."""
        return await format_of_table(self._raw, self._statements.sql["check_table"])

    async def table_shape(self, home: str | None, named: str) -> Shape:
        """What there is of the table."""
        with self._raw.cursor() as cursor:
            await cursor.execute(self._statements.sql["table_columns"])
            columns = [
                ("column", column.name.lower(), column.type_code.name.removeprefix("DB_TYPE_"), not column.null_ok)
                for column in cursor.description or []
            ]
        marks = await self._select(self._statements.sql["table_marks"], {"home": home, "named": named}, MAX_MARKS)
        return shape_of([*columns, *((kind, name, None, False) for kind, name in marks)])

    async def define(self, name: str, ignored: Collection[int]) -> None:
        """Run the statements under a name, each a transaction, and ignore some errors of Oracle."""
        for statement in self._statements.sql[name].split(";"):
            try:
                await self._raw.execute(statement)
            except oracledb.DatabaseError as error:
                if error.args[0].code not in ignored:
                    raise


async def format_of_table(connection: oracledb.AsyncConnection, sql: str) -> Format:
    """How a table holds data, by a query that has it as its first column."""
    with connection.cursor() as cursor:
        await cursor.execute(sql)
        [data, *_] = cursor.description or []
    if data.type_code is oracledb.DB_TYPE_JSON:
        return "json"
    return "json_text" if data.is_json else "bytes"


def _lobs_as_bytes(cursor: oracledb.AsyncCursor, column: oracledb.FetchInfo) -> oracledb.Var | None:
    """Has LOBs come with the rows, not as locators that take a round trip each; and JSON as the text that it is."""
    if column.type_code is oracledb.DB_TYPE_BLOB:
        return cursor.var(oracledb.DB_TYPE_LONG_RAW, arraysize=cursor.arraysize)
    return None
