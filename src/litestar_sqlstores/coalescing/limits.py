"""What a coalescer may use."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Limits",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a coalescer may use.

    Args:
        max_lanes: How many connections at most.
        max_writers: How many of them may write at a time; reads then always find a free one.
        shares: Among how many statements many calls for one operation are shared.
        max_pending: How many calls may wait; one more is refused.
        timeout: Seconds until a call without an answer fails.
        connect_timeout: Seconds until an attempt to get a connection is given up for another one.
    """

    max_lanes: int = 4
    max_writers: int = 2
    shares: int = 2
    max_pending: int = 10_000
    timeout: float = 10.0
    connect_timeout: float = 3.0
