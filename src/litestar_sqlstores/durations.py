"""Durations as users give them (seconds or timedelta) to durations as statements take them (milliseconds).

Only durations travel to the database, never timestamps: the database's clock alone decides what is expired, so the
clocks of the application's machines may differ.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeAlias

from litestar_sqlstores.errors import DurationError

__all__ = ("MAX_TOLERANCE_MS", "MAX_TTL_MS", "Duration", "renewal_ms", "tolerance_ms", "ttl_ms")

Duration: TypeAlias = "int | float | timedelta"

MAX_TTL_MS = 1000 * 365 * 24 * 60 * 60 * 1000
"""1,000 years. Longer durations are cut to it, so that no database's date range is left."""

MAX_TOLERANCE_MS = 60_000
"""However long an entry lives, its expiry is never off by more than a minute."""


def ttl_ms(expires_in: Duration | None) -> int | None:
    """Milliseconds to live; None for never, 0 for "expired already" (zero and negative durations).

    Raises:
        DurationError: ``expires_in`` is not a finite number of seconds or a timedelta.
    """
    return None if expires_in is None else max(0, _milliseconds("expires_in", expires_in))


def renewal_ms(renew_for: Duration | None) -> int:
    """Milliseconds to renew for; 0 for no renewal (None and zero).

    Raises:
        DurationError: ``renew_for`` is negative, or not a finite number of seconds or a timedelta.
    """
    if renew_for is None:
        return 0
    duration = _milliseconds("renew_for", renew_for)
    if duration < 0:
        msg = f"renew_for is {renew_for!r}; give a positive number of seconds, or None to leave the expiry as it is"
        raise DurationError(msg)
    return duration


def tolerance_ms(ttl: int | None, fraction: float) -> int:
    """How far an expiry may be off before it is written again: ``fraction`` of ``ttl``, at most a minute."""
    return 0 if ttl is None else min(int(ttl * fraction), MAX_TOLERANCE_MS)


def _milliseconds(name: str, duration: Duration) -> int:
    if type(duration) is int and 0 < duration <= MAX_TTL_MS // 1000:
        # What nearly every call has; the rest of this function is for the others.
        return duration * 1000
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        seconds = duration
    else:
        msg = f"{name} is a {type(duration).__name__}; give seconds as int or float, or a timedelta"
        raise DurationError(msg)
    if isinstance(seconds, float) and not math.isfinite(seconds):
        msg = f"{name} is {seconds!r}; give a finite number of seconds, or None for no expiry"
        raise DurationError(msg)
    milliseconds = max(-MAX_TTL_MS, min(seconds * 1000, MAX_TTL_MS))
    # A positive duration never becomes "expired already" or "no renewal" by rounding.
    return math.ceil(milliseconds) if milliseconds > 0 else math.floor(milliseconds)
