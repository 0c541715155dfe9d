"""What has to be written, decided here: in SQL, Oracle compares no value that is longer than a few thousand bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from litestar_sqlstores.backends.oracle_statements import MILLISECOND, Found
from litestar_sqlstores.backends.records import Entry, Renewal

__all__ = ("due", "is_stored", "total")


def is_stored(row: Found, entry: Entry, is_same: Callable[[bytes, bytes], bool], *, keep_ttl: bool) -> bool:
    """Whether an entry is stored already, with an expiry within the tolerance or, with ``keep_ttl``, any."""
    if not (row.is_alive and row.owner == entry.owner and is_same(row.data, entry.data)):
        return False
    return keep_ttl or not _is_off(row.remaining, entry.ttl, entry.tolerance)


def due(rows: Iterable[Sequence[Any]], renewals: Mapping[bytes, Renewal]) -> list[dict[str, Any]]:
    """The renewals that have to be written, of what was read."""
    return [
        {"digest": key, "ttl": renewals[key].ttl, "seen": expires_at}
        for key, expires_at, remaining in rows
        if remaining is not None and _is_off(remaining, *renewals[key])
    ]


def _is_off(remaining: timedelta | None, ttl: int | None, tolerance: int) -> bool:
    """Whether an expiry is further away from what it should be than the tolerance."""
    if remaining is None or ttl is None:
        return (remaining is None) != (ttl is None)
    return abs(remaining - ttl * MILLISECOND) > tolerance * MILLISECOND


def total(data: bytes, amount: int) -> int:
    """A number and what is added to it.

    Raises:
        ValueError: The data is no number of 64 bits, or the sum is none.
    """
    number = int(data) if re.fullmatch(rb"-?[0-9]+", data) else None
    if number is None or not all(-(2**63) <= each < 2**63 for each in (number, number + amount)):
        msg = "the data is no number of 64 bits, or would be none"
        raise ValueError(msg)
    return number + amount
