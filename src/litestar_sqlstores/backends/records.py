"""What goes to a backend and comes back: entries and what is done to them, and what is told of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = (
    "NEVER",
    "Due",
    "Entry",
    "ForeignSession",
    "Increment",
    "Inspected",
    "Owned",
    "Renewal",
    "Renewed",
    "RenewedData",
    "Replacement",
    "Stats",
)

FoundT_co = TypeVar("FoundT_co", covariant=True)

NEVER = -1
"""What ``Backend.remaining`` reports for an entry without an expiry."""


class Entry(NamedTuple):
    """What is stored under a key; ``ttl`` and ``tolerance`` in milliseconds, ``ttl`` None for never."""

    namespace: str
    data: bytes
    ttl: int | None
    tolerance: int
    owner: str | None
    key_text: str | None = None
    """What of the key is kept for people to read and for prefixes to find, if anything is."""


class Renewal(NamedTuple):
    """How an entry is renewed: if its expiry moves by more than ``tolerance``, to ``ttl`` from now; milliseconds."""

    ttl: int
    tolerance: int


class Renewed(NamedTuple, Generic[FoundT_co]):
    """What was found, how many of it were written (None if nobody wants to know), and which keys were due.

    Those ``waiting`` are due too, but somebody else was writing: they are for :meth:`Backend.renew_due`.
    """

    found: FoundT_co
    written: int | None
    due: Collection[bytes] = ()
    waiting: Mapping[bytes, Due] = MappingProxyType({})


class Due(NamedTuple):
    """A renewal that was due when the entry was read, with the expiry that was read."""

    renewal: Renewal
    expires_at: Any


class RenewedData(bytes):
    """The data of an entry whose renewal was due when it was read.

    A subclass of bytes, since nearly all reads renew nothing, and should not pay for a pair that says so.
    """

    __slots__ = ()


class Replacement(NamedTuple):
    """An entry that takes the place of a live one, if there is one, and if its data is ``expected`` (None: any)."""

    entry: Entry
    expected: bytes | None


@dataclass(frozen=True, slots=True)
class Increment:
    """What is added to a number; ``ttl`` in milliseconds, for a number that starts with it, None for never."""

    namespace: str
    amount: int
    ttl: int | None
    key_text: str | None = None

    def __add__(self, later: Increment) -> Increment:
        return Increment(self.namespace, self.amount + later.amount, self.ttl, self.key_text)


class Owned(NamedTuple):
    """A live entry of an owner; times in milliseconds since 1970 on the database's clock, None for never."""

    key: bytes
    created_at: int
    updated_at: int
    expires_at: int | None


class Stats(NamedTuple):
    """Some entries of a namespace: those that will live longer than one bound, and not as long as the next.

    ``bin`` is the number of the first of the two, 0 if they have expired, None if they never will. ``size`` is how many
    bytes their data takes.
    """

    namespace: str
    bin: int | None
    entries: int
    size: int


class Inspected(NamedTuple):
    """All but the data of an entry, which may have expired.

    Times are milliseconds since 1970 on the database's clock, ``remaining`` is milliseconds, ``size`` bytes of data.
    None stands for never and for nobody.
    """

    key: bytes
    namespace: str
    size: int
    owner: str | None
    created_at: int
    updated_at: int
    expires_at: int | None
    remaining: int | None


class ForeignSession(NamedTuple):
    """A live session of another store; ``ttl`` in milliseconds, None for never."""

    session_id: str
    data: bytes
    ttl: int | None
