"""Takes over the sessions that another store holds, so that switching logs nobody out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from litestar_sqlstores.backends.records import Entry, ForeignSession
from litestar_sqlstores.errors import InvalidKeyError, InvalidValueError
from litestar_sqlstores.store import BaseSQLSpecStore
from litestar_sqlstores.store.calls import checked_owner

__all__ = ("Imported", "Source", "import_sessions")


@dataclass(frozen=True)
class Imported:
    """How far an import came.

    Attributes:
        found: How many live sessions of the other store were looked at.
        added: How many of them the store has now, and had not before.
        refused: How many of them it cannot hold: the value or the owner is too long, or no JSON. Whose they are has to
            log in again.
    """

    found: int
    added: int
    refused: int = 0


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
            come back with another import. Those that this one cannot hold stay there.

    Yields:
        How far it came, after each batch.

    Raises:
        StoreError: The other store cannot be read, or this one cannot be written.
    """
    found = added = refused = 0
    async for sessions in source.batches(batch_size):
        entries, taken = _entries(store, sessions, owner_of)
        new, bad = await _add(store, entries)
        here = [each for digest, each in taken.items() if digest not in bad]
        if delete and here:
            await source.remove(here)
        found += len(sessions)
        added += new
        refused += len(sessions) - len(taken) + len(bad)
        yield Imported(found, added, refused)


def _entries(
    store: BaseSQLSpecStore[Any], sessions: Sequence[ForeignSession], owner_of: Callable[[bytes], str | None]
) -> tuple[dict[bytes, Entry], dict[bytes, ForeignSession]]:
    """What the store is to hold for sessions, and the sessions themselves, without those that it cannot hold."""
    entries: dict[bytes, Entry] = {}
    taken: dict[bytes, ForeignSession] = {}
    for each in sessions:
        with suppress(InvalidKeyError, InvalidValueError):
            owner = owner_of(each.data)
            if owner is not None:
                checked_owner(owner)
            digest = store.digest(each.session_id)
            entries[digest] = Entry(store.namespace, store._stored(digest, each.data), each.ttl, 0, owner)
            taken[digest] = each
    # In the order of their keys, as all who lock rows do.
    return dict(sorted(entries.items())), taken


async def _add(store: BaseSQLSpecStore[Any], entries: Mapping[bytes, Entry]) -> tuple[int, set[bytes]]:
    """Store entries; how many are new, and which of them the database refuses."""
    if not entries:
        return 0, set()
    try:
        return await store._submit_alone(store._operations.add, entries), set()
    except InvalidValueError:
        if len(entries) == 1:
            return 0, set(entries)
    # One of them is to blame, or a few.
    keys = list(entries)
    added, refused = 0, set[bytes]()
    for part in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
        new, bad = await _add(store, {key: entries[key] for key in part})
        added += new
        refused |= bad
    return added, refused
