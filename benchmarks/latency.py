"""How long calls took: a histogram of them all, and what is told of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from hdrh.histogram import HdrHistogram

__all__ = ("Latency", "histogram")

_LOWEST = 100
"""Nanoseconds that can be told apart."""
_HIGHEST = 600 * 10**9
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles, in microseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    highest: float

    @classmethod
    def of(cls, histogram: HdrHistogram) -> Self:
        at = histogram.get_value_at_percentile
        return cls(*(round(at(percentile) / 1000, 1) for percentile in (50, 90, 99, 99.9, 100)))


def histogram(nanoseconds: Iterable[int] = ()) -> HdrHistogram:
    """A histogram of durations."""
    made = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
    for duration in nanoseconds:
        made.record_value(duration)
    return made
