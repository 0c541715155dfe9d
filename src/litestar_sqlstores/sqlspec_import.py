"""Takes over the sessions of SQLSpec's own store, so that switching logs nobody out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from litestar_sqlstores.backends.records import Entry, ForeignSession
from litestar_sqlstores.errors import ConfigurationError, MissingTableError, SchemaError
from litestar_sqlstores.statements import TableName
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("Imported", "import_sessions")


@dataclass(frozen=True)
class Imported:
    """How far an import came.

    Attributes:
        found: How many live sessions of the old table were looked at.
        added: How many of them the store has now, and had not before.
    """

    found: int
    added: int


async def import_sessions(
    store: BaseSQLSpecStore[Any],
    table: str,
    *,
    owner_of: Callable[[bytes], str | None] = lambda _: None,
    batch_size: int = 500,
    delete: bool = False,
) -> AsyncIterator[Imported]:
    """Copy the live sessions of a table of SQLSpec's own store, a batch at a time.

    A key that is alive in the store is left as it is there: what it holds is newer. So an import may be repeated, also
    after it was interrupted.

    Args:
        store: The store that sessions are looked for in from now on.
        table: The table of SQLSpec's store, in the same database.
        owner_of: From the data of a session to its owner.
        batch_size: How many sessions one statement takes.
        delete: Whether to remove sessions from the old table once the store has them, so that what ends later does not
            come back with another import.

    Yields:
        How far it came, after each batch.

    Raises:
        ConfigurationError: SQLSpec's tables on this database are not known here, or ``table`` is the store's own.
        SchemaError: ``table`` is not there, or was not made by SQLSpec's store.
    """
    backend, operations = store._backend, store._operations
    if not backend.imports_sqlspec:
        msg = f"sessions are imported on PostgreSQL and SQLite only, not on {backend.dialect}"
        raise ConfigurationError(msg)
    if str(TableName.parse(table)).lower() == store.settings.table.lower():
        msg = (
            f"table {table!r} is the store's own: give the store another one (table=...), or rename the old one and"
            " import it from its new name"
        )
        raise ConfigurationError(msg)
    found = added = 0
    last = ""
    while True:
        sessions: list[ForeignSession] = await _read(store, table, last, batch_size)
        if sessions:
            entries = {
                digest: Entry(store.namespace, store._stored(digest, each.data), each.ttl, 0, owner_of(each.data))
                for digest, each in ((store.digest(each.session_id), each) for each in sessions)
            }
            # In the order of their keys, as all who lock rows do.
            entries = dict(sorted(entries.items()))
            added += await store._submit_alone(operations.add, entries)
            if delete:
                await store._submit_alone(
                    operations.delete_sqlspec_sessions, table, [each.session_id for each in sessions]
                )
            found += len(sessions)
            last = sessions[-1].session_id
        yield Imported(found, added)
        if len(sessions) < batch_size:
            return


async def _read(store: BaseSQLSpecStore[Any], table: str, after: str, limit: int) -> list[ForeignSession]:
    try:
        return list(await store._submit_alone(store._operations.sqlspec_sessions, table, after, limit))
    except MissingTableError as error:
        msg = f"there is no table {table!r} to import sessions from"
        raise SchemaError(msg) from error.__cause__
    except SchemaError as error:
        msg = f"table {table!r} was not made by SQLSpec's session store: it lacks session_id, data or expires_at"
        raise SchemaError(msg) from error.__cause__
