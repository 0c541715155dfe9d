"""Statements through aiomysql, or a driver with connections like its own: how a batch becomes text, and how it runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NamedTuple, Protocol

from litestar_sqlstores.backends.mysql_errors import INTERRUPTED
from litestar_sqlstores.backends.mysql_literals import Value, literal
from litestar_sqlstores.errors import ValueTooLargeError

__all__ = ("Connection", "OutcomeUnknownError", "Statement", "Statements", "transaction")

_DUPLICATES = re.compile(rb"Duplicates: (\d+)")
_EACH = re.compile(r"/\* each (.+?) \*/ (.*)")


class Cursor(Protocol):
    """What this backend needs of a cursor."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement has found or changed."""
        ...

    async def execute(self, query: str) -> object:
        """Run statements."""

    async def fetchall(self) -> Iterable[tuple[Any, ...]]:
        """The rows of the statement."""
        ...

    async def nextset(self) -> object:
        """Go to the next statement; falsy if there is none."""


class Connection(Protocol):
    """What this backend needs of a connection."""

    _result: Any
    """What the server has said of the last statement. There is no public way to its ``message``."""

    def cursor(self, cursor: type[Any]) -> AbstractAsyncContextManager[Cursor]:
        """A cursor of a class."""
        ...

    async def rollback(self) -> object:
        """End a transaction."""

    def close(self) -> object:
        """Close without waiting for the server."""

    def thread_id(self) -> int:
        """The number of the session, or of whatever stands before the server; another one after a new connection."""
        ...


class Statement(NamedTuple):
    """What stands before the line that is there once for each entry, between such lines, the line, and what follows."""

    before: str
    between: str
    line: str
    after: str

    @classmethod
    def parse(cls, sql: str) -> Statement:
        """Take the text of a statement to pieces."""
        each = _EACH.search(sql)
        return cls(sql[: each.start()], f" {each[1]}\n", each[2], sql[each.end() :]) if each else cls("", "", "", sql)

    def query(self, parameters: Mapping[str, Value], rows: Iterable[tuple[Value, ...]]) -> str:
        """The text for a batch: a tuple of values for each entry, and the values of what follows by name."""
        lines = [self.line % tuple(map(literal, row)) for row in rows]
        literals = {name: literal(value) for name, value in parameters.items()}
        return self.before + self.between.join(lines) + self.after % literals


class Statements:
    """The statements for one table on one kind of server.

    Args:
        sql: Their texts, by name.
        cursor_class: The driver's plain cursor; the caller's config may have chosen another one.
        max_packet: The longest statement that the server takes, in bytes; 0 as long as it has not told.
    """

    def __init__(self, sql: Mapping[str, str], cursor_class: type[Any], max_packet: int = 0) -> None:
        self._statements = {name: Statement.parse(text) for name, text in sql.items()}
        self._cursor_class = cursor_class
        self.max_packet = max_packet

    async def fetch(
        self, connection: Connection, name: str, rows: Iterable[tuple[Value, ...]] = (), **parameters: Value
    ) -> list[tuple[Any, ...]]:
        """The rows that the statements under a name have found."""
        return (await self.run(connection, name, rows, **parameters))[0]

    async def write(
        self, connection: Connection, name: str, rows: Iterable[tuple[Value, ...]] = (), **parameters: Value
    ) -> int:
        """How many rows the last of the statements under a name has changed."""
        return (await self.run(connection, name, rows, **parameters))[1]

    async def upsert(
        self, connection: Connection, name: str, rows: Sequence[tuple[Value, ...]], **parameters: Value
    ) -> int:
        """Run an INSERT ... ON DUPLICATE KEY UPDATE; how many rows are new or have changed."""
        affected = await self.write(connection, name, rows, **parameters)
        # A row that has changed counts twice. For several rows, the server says how many have.
        changed = _DUPLICATES.search(connection._result.message or b"")
        return affected - int(changed[1]) if changed else min(affected, len(rows))

    async def run(
        self, connection: Connection, name: str, rows: Iterable[tuple[Value, ...]] = (), **parameters: Value
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Run the statements under a name; what they have found, and how many rows the last one has changed."""
        query = self._statements[name].query(parameters, rows)
        # The server would close the connection while it is still being written to.
        if 0 < self.max_packet <= len(query):
            msg = (
                f"the server takes statements of up to {self.max_packet:,} bytes, this one has {len(query):,};"
                " store less, or raise max_allowed_packet there"
            )
            raise ValueTooLargeError(msg)
        async with connection.cursor(self._cursor_class) as cursor:
            await cursor.execute(query)
            found = [*await cursor.fetchall()]
            while await cursor.nextset():
                found += await cursor.fetchall()
            return found, cursor.rowcount


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """Leave no transaction open if one of its statements fails, nor a doubt about its COMMIT.

    Raises:
        OutcomeUnknownError: The server may have been interrupted after it had committed.
    """
    try:
        yield
    except Exception as error:
        with suppress(Exception):
            await connection.rollback()
        if error.args and error.args[0] in INTERRUPTED:
            raise OutcomeUnknownError from error
        raise


class OutcomeUnknownError(ConnectionError):
    """The server was interrupted while it may have committed."""
