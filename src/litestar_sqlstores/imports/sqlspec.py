"""The sessions of SQLSpec's own store, in a table of the same database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from litestar_sqlstores.backends.records import ForeignSession
from litestar_sqlstores.errors import ConfigurationError, MissingTableError, SchemaError
from litestar_sqlstores.imports import Source
from litestar_sqlstores.statements import TableName
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("SQLSpecTable",)


class SQLSpecTable(Source):
    """A table of SQLSpec's own store.

    Args:
        store: The store that takes its sessions over.
        table: Its name.

    Raises:
        ConfigurationError: SQLSpec's tables on this database are not known here, or ``table`` is the store's own.
    """

    def __init__(self, store: BaseSQLSpecStore[Any], table: str) -> None:
        backend = store._backend
        if not backend.imports_sqlspec:
            msg = f"sessions are imported on PostgreSQL and SQLite only, not on {backend.dialect}"
            raise ConfigurationError(msg)
        if str(TableName.parse(table)).lower() == store.settings.table.lower():
            msg = (
                f"table {table!r} is the store's own: give the store another one (table=...), or rename the old one and"
                " import it from its new name"
            )
            raise ConfigurationError(msg)
        self._store = store
        self._table = table

    async def batches(self, size: int) -> AsyncIterator[Sequence[ForeignSession]]:
        """Its live sessions, in the order of their ids.

        Raises:
            SchemaError: It is not there, or was not made by SQLSpec's store.
        """
        last = ""
        while sessions := await self._read(last, size):
            yield sessions
            last = sessions[-1].session_id
            if len(sessions) < size:
                return

    async def remove(self, sessions: Sequence[ForeignSession]) -> None:
        """Remove sessions from the table."""
        ids = [each.session_id for each in sessions]
        await self._store._submit_alone(self._store._operations.delete_sqlspec_sessions, self._table, ids)

    async def _read(self, after: str, limit: int) -> list[ForeignSession]:
        store, table = self._store, self._table
        try:
            return list(await store._submit_alone(store._operations.sqlspec_sessions, table, after, limit))
        except MissingTableError as error:
            msg = f"there is no table {table!r} to import sessions from"
            raise SchemaError(msg) from error.__cause__
        except SchemaError as error:
            msg = f"table {table!r} was not made by SQLSpec's session store: it lacks session_id, data or expires_at"
            raise SchemaError(msg) from error.__cause__
