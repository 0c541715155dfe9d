"""What is in the table, for those who run it: how much of what, and all about a key but its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from litestar_sqlstores import errors
from litestar_sqlstores.backends.records import Inspected, Stats
from litestar_sqlstores.coalescing import MAX_BATCH_ITEMS
from litestar_sqlstores.keys import key_digester
from litestar_sqlstores.store.calls import Calls, utc

__all__ = ("TIMES_TO_EXPIRY", "EntryInfo", "NamespaceStats", "Overview")

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

TIMES_TO_EXPIRY: Mapping[str, int] = {
    "under a minute": 0,
    "a minute to an hour": MINUTE,
    "an hour to a day": HOUR,
    "a day to a week": DAY,
    "a week to 30 days": 7 * DAY,
    "over 30 days": 30 * DAY,
}
"""The bins of a histogram: from how many milliseconds to live on an entry is in each."""


@dataclass(frozen=True)
class NamespaceStats:
    """What a namespace holds, without its children.

    Attributes:
        namespace: Its full name, such as ``LITESTAR_sessions``. Below that, each name follows a U+001F.
        live: How many entries have not expired.
        expired: How many have, and were not removed yet.
        size: How many bytes of data all of them have. What the table takes beyond that is not counted.
        expiring: How many of the live ones will live for how long, by the names of :data:`TIMES_TO_EXPIRY` and
            ``"never"``; names without entries are left out.
    """

    namespace: str
    live: int
    expired: int
    size: int
    expiring: Mapping[str, int]


@dataclass(frozen=True)
class EntryInfo:
    """All about an entry but its key and its value.

    Attributes:
        namespace: The namespace that the entry is in.
        size: How many bytes of data it has.
        owner: Who it belongs to; None for nobody.
        created_at: When it was first stored.
        updated_at: When it was last written or renewed.
        expires_at: When it expires; None for never.
        expired: Whether it has expired, by the database's clock.
    """

    namespace: str
    size: int
    owner: str | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    expired: bool


class Overview(Calls):
    """Operations that look at the table and change nothing."""

    async def stats(self) -> list[NamespaceStats]:
        """What the table holds, by namespace: also those of other applications. Reads the whole table."""
        rows = await self._submit_alone(self._operations.stats, tuple(TIMES_TO_EXPIRY.values()))
        by_namespace: dict[str, list[Stats]] = {}
        for row in rows:
            by_namespace.setdefault(row.namespace, []).append(row)
        return [_summary(namespace, by_namespace[namespace]) for namespace in sorted(by_namespace)]

    async def namespaces(self) -> list[str]:
        """This store's namespace and its children, as far as they have entries, expired or not."""
        found = await self._submit_alone(self._operations.namespaces)
        return sorted(name for name in found if name in self._subtree)

    async def inspect(self, key: str, namespaces: Sequence[str] | None = None) -> list[EntryInfo]:
        """All about the entries under a key but their values.

        Args:
            key: The key.
            namespaces: The namespaces to look into, by their full names; None for this store's alone.

        Returns:
            One for each namespace that has an entry under the key, also if it has expired and was not removed yet.
        """
        if isinstance(namespaces, (str, bytes)):
            msg = f"namespaces is {namespaces!r}; it must be a list of namespaces"
            raise errors.InvalidKeyError(msg)
        names = (self.namespace,) if namespaces is None else namespaces
        digests = [key_digester(name)(key) for name in names]
        rows: list[Inspected] = []
        for start in range(0, len(digests), MAX_BATCH_ITEMS):
            rows += await self._submit_alone(self._operations.inspect, digests[start : start + MAX_BATCH_ITEMS])
        return [
            EntryInfo(
                row.namespace,
                row.size,
                row.owner,
                utc(row.created_at),
                utc(row.updated_at),
                None if row.expires_at is None else utc(row.expires_at),
                expired=row.remaining is not None and row.remaining <= 0,
            )
            for row in sorted(rows, key=lambda row: row.namespace)
        ]


def _summary(namespace: str, rows: Sequence[Stats]) -> NamespaceStats:
    names = list(TIMES_TO_EXPIRY)
    expiring = {"never" if row.bin is None else names[row.bin - 1]: row.entries for row in rows if row.bin != 0}
    return NamespaceStats(
        namespace,
        live=sum(expiring.values()),
        expired=sum(row.entries for row in rows if row.bin == 0),
        size=sum(row.size for row in rows),
        expiring={name: expiring[name] for name in (*names, "never") if name in expiring},
    )
