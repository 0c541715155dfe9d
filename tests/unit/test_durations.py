from __future__ import annotations

import math
import sys
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litestar_sqlstores.durations import MAX_TOLERANCE_MS, MAX_TTL_MS, renewal_ms, tolerance_ms, ttl_ms
from litestar_sqlstores.errors import DurationError

finite_floats = st.floats(allow_nan=False, allow_infinity=False)
durations = st.integers() | finite_floats | st.timedeltas()
positive_durations = (
    st.integers(min_value=1)
    | st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    | st.timedeltas(min_value=timedelta(microseconds=1))
)


def exact_ms(duration: Any) -> Fraction:
    if isinstance(duration, timedelta):
        return Fraction(duration // timedelta(microseconds=1), 1000)
    return Fraction(duration) * 1000


@given(duration=durations)
@example(duration=sys.float_info.max)
@example(duration=-sys.float_info.max)
@example(duration=10**400)
@example(duration=-(10**400))
@example(duration=timedelta.max)
@example(duration=timedelta.min)
def test_a_time_to_live_is_its_milliseconds_within_bounds(duration: Any) -> None:
    ttl = ttl_ms(duration)
    assert type(ttl) is int
    exact = exact_ms(duration)
    # Rounded up, on top of what a float cannot tell apart.
    assert abs(ttl - min(max(exact, Fraction(0)), Fraction(MAX_TTL_MS))) <= 1 + Fraction(1, 100)
    assert 0 <= ttl <= MAX_TTL_MS
    assert (ttl == 0) == (exact <= 0)


@given(duration=positive_durations)
@example(duration=5e-324)
@example(duration=timedelta(microseconds=1))
def test_a_positive_duration_never_becomes_zero(duration: Any) -> None:
    assert ttl_ms(duration) == renewal_ms(duration)
    assert renewal_ms(duration) > 0


@given(st.lists(durations, min_size=2, max_size=2))
def test_a_longer_duration_never_becomes_a_shorter_one(pair: list[Any]) -> None:
    shorter, longer = sorted(pair, key=exact_ms)
    assert (ttl_ms(shorter) or 0) <= (ttl_ms(longer) or 0)


def test_none_is_never_and_no_renewal() -> None:
    assert ttl_ms(None) is None
    assert renewal_ms(None) == 0


@pytest.mark.parametrize("duration", [0, 0.0, -0.0, timedelta(0)])
def test_zero_is_expired_already_and_no_renewal(duration: Any) -> None:
    assert ttl_ms(duration) == 0
    assert renewal_ms(duration) == 0


@pytest.mark.parametrize(
    "duration, milliseconds",
    [
        (1, 1000),
        (0.25, 250),
        (0.0001, 1),
        (timedelta(days=2, seconds=1, milliseconds=5), 172_801_005),
        (10**15, MAX_TTL_MS),
    ],
)
def test_known_durations(duration: Any, milliseconds: int) -> None:
    assert ttl_ms(duration) == milliseconds
    assert renewal_ms(duration) == milliseconds


@pytest.mark.parametrize("duration", [-1, -0.001, -5e-324, -(10**400), -sys.float_info.max, timedelta(microseconds=-1)])
def test_a_negative_renewal_is_an_error_that_says_what_to_give(duration: Any) -> None:
    with pytest.raises(DurationError, match=r"renew_for is .*give a positive number of seconds, or None"):
        renewal_ms(duration)


@pytest.mark.parametrize("duration", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_an_error_that_names_the_value(duration: float) -> None:
    with pytest.raises(DurationError, match=rf"expires_in is {duration}; give a finite number.*None for no expiry"):
        ttl_ms(duration)
    with pytest.raises(DurationError, match=rf"renew_for is {duration}; give a finite number"):
        renewal_ms(duration)


@pytest.mark.parametrize("duration", [True, False, "60", b"60", Decimal(60), Fraction(60), [60], object(), 60j])
def test_what_is_no_duration_is_an_error_that_names_its_type(duration: Any) -> None:
    name = type(duration).__name__
    with pytest.raises(DurationError, match=rf"expires_in is a {name}; give seconds as int or float, or a timedelta"):
        ttl_ms(duration)
    with pytest.raises(DurationError, match=rf"renew_for is a {name}; give seconds"):
        renewal_ms(duration)


@given(ttl=st.integers(0, MAX_TTL_MS), fraction=st.floats(0, 1, exclude_max=True))
def test_a_tolerance_is_a_fraction_of_the_time_to_live_and_at_most_a_minute(ttl: int, fraction: float) -> None:
    tolerance = tolerance_ms(ttl, fraction)
    assert type(tolerance) is int
    assert 0 <= tolerance <= min(ttl, MAX_TOLERANCE_MS)
    if tolerance < MAX_TOLERANCE_MS:
        assert abs(tolerance - Fraction(ttl) * Fraction(fraction)) <= 1


def test_without_an_expiry_or_a_fraction_there_is_no_tolerance() -> None:
    assert tolerance_ms(None, 0.5) == 0
    assert tolerance_ms(10**9, 0) == 0
    assert tolerance_ms(1_000_000, 0.01) == 10_000
    assert tolerance_ms(MAX_TTL_MS, 0.01) == MAX_TOLERANCE_MS
