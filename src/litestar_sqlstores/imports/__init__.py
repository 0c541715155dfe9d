"""Takes over the sessions that another store holds, so that switching logs nobody out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from litestar_sqlstores.backends.records import Entry, ForeignSession
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("Imported", "Source", "import_sessions")


@dataclass(frozen=True)
class Imported:
    """How far an import came.

    Attributes:
        found: How many live sessions of the other store were looked at.
        added: How many of them the store has now, and had not before.
    """

    found: int
    added: int


class Source(Protocol):
    """Where sessions come from."""

    def batches(self, size: int) -> AsyncIterator[Sequence[ForeignSession]]:
        """The live sessions, about so many at a time."""
        ...

    async def remove(self, sessions: Sequence[ForeignSession]) -> None:
        """Remove sessions there."""


async def import_sessions(
    store: BaseSQLSpecStore[Any],
    source: Source,
    *,
    owner_of: Callable[[bytes], str | None] = lambda _: None,
    batch_size: int = 500,
    delete: bool = False,
) -> AsyncIterator[Imported]:
    """Copy the live sessions of another store, a batch at a time.

    A key that is alive in the store is left as it is there: what it holds is newer. So an import may be repeated, also
    after it was interrupted.

    Args:
        store: The store that sessions are looked for in from now on.
        source: The other one.
        owner_of: From the data of a session to its owner.
        batch_size: How many sessions one statement takes.
        delete: Whether to remove sessions from the other store once this one has them, so that what ends later does not
            come back with another import.

    Yields:
        How far it came, after each batch.

    Raises:
        StoreError: The other store cannot be read, or a session cannot be stored.
    """
    found = added = 0
    async for sessions in source.batches(batch_size):
        entries = {
            digest: Entry(store.namespace, store._stored(digest, each.data), each.ttl, 0, owner_of(each.data))
            for digest, each in ((store.digest(each.session_id), each) for each in sessions)
        }
        # In the order of their keys, as all who lock rows do.
        added += await store._submit_alone(store._operations.add, dict(sorted(entries.items())))
        if delete:
            await source.remove(sessions)
        found += len(sessions)
        yield Imported(found, added)
