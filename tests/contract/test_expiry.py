"""How long entries live, by the database's clock."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ConfigurationError, DurationError
from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from tests.backends import Store

YEAR = 365 * 24 * 60 * 60
ENDLESS: list[Any] = [timedelta.max, 10**18, 10**400, 1e300, 1.7e308, 2**31, 2**63, 2**64, 2**63 / 1000, 253402300800]
EXPIRED: list[Any] = [0, -1, 0.0, -0.5, -1e300, -(10**400), timedelta(0), timedelta(microseconds=-1), timedelta.min]
NO_DURATION: list[Any] = [math.nan, math.inf, -math.inf, True, False, "10", b"10", [10]]


async def expire(store: Store, *keys: str, value: bytes = b"1") -> None:
    """Have entries that are expired but still in the table."""
    await store.set_many(dict.fromkeys(keys, value), expires_in=0.001)
    await asyncio.sleep(0.01)
    assert len(await rows(store, "key_digest")) >= len(keys)


async def test_without_expires_in_an_entry_never_expires(store: Store) -> None:
    await store.set("key", b"1")
    assert await store.expires_in("key") == -1
    assert [row["expires_at"] for row in await rows(store)] == [None]


async def test_no_entry_expires_in_none(store: Store) -> None:
    assert await store.expires_in("key") is None
    assert not await store.exists("key")
    assert await store.get("key") is None


async def test_expires_in_is_given_in_seconds_or_as_a_timedelta(store: Store) -> None:
    durations: list[Any] = [
        *(10, 27.5, 14 * 86400, 100 * YEAR),
        *(timedelta(seconds=10), timedelta(days=2), timedelta(days=1, seconds=1, milliseconds=500)),
    ]
    for duration in durations:
        await store.set("key", b"1", expires_in=duration)
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
        assert await store.expires_in("key") == about(seconds), duration


async def test_fractions_of_a_second_count(store: Store) -> None:
    await store.set("long", b"1", expires_in=0.9)
    await store.set("short", b"1", expires_in=timedelta(milliseconds=60))
    await store.set("shortest", b"1", expires_in=1e-9)
    assert await store.exists("long")
    assert await store.expires_in("long") == 0
    await asyncio.sleep(0.1)
    assert await store.get_many(["long", "short", "shortest"]) == {"long": b"1"}


async def test_zero_or_less_removes_the_entry_and_stores_nothing(store: Store) -> None:
    for duration in EXPIRED:
        await store.set("key", b"1")
        await store.set("key", b"2", expires_in=duration)
        await store.set("new", b"2", expires_in=duration)
        assert await rows(store) == [], duration
        await store.set_many({"key": b"1", "other": b"1"})
        await store.set_many({"key": b"2", "new": b"2"}, expires_in=duration)
        assert len(await rows(store)) == 1, duration
        assert await store.get_many(["key", "other", "new"]) == {"other": b"1"}
        await store.delete("other")


async def test_the_longest_durations_are_cut_to_a_thousand_years(store: Store) -> None:
    for duration in ENDLESS:
        await store.set("key", b"1", expires_in=duration)
        remaining = await store.expires_in("key")
        assert remaining is not None
        assert 50 * YEAR < remaining <= 1000 * YEAR, duration
        await store.set("key", b"1", expires_in=10)
        assert await store.get("key", renew_for=duration) == b"1"
        assert await store.expires_in("key") == about(remaining + 1), duration
        await store.set("key", b"1", expires_in=10)
        assert await store.renew("key", duration)
        assert await store.expires_in("key") == about(remaining + 1), duration
    assert await store.delete_expired() == 0


async def test_what_is_no_duration_is_refused_and_nothing_changes(store: Store) -> None:
    await store.set("key", b"1", expires_in=100)
    for duration in NO_DURATION:
        for call in (
            store.set("key", b"2", expires_in=duration),
            store.set_many({"key": b"2"}, expires_in=duration),
            store.get("key", renew_for=duration),
            store.get_many(["key"], renew_for=duration),
            store.renew("key", duration),
            store.renew_many(["key"], duration),
        ):
            with pytest.raises(DurationError, match=r"expires_in|renew_for"):
                await call
    assert await store.get("key") == b"1"
    assert await store.expires_in("key") == about(100)


async def test_a_renewal_of_less_than_nothing_is_refused_and_nothing_changes(store: Store) -> None:
    await store.set("key", b"1", expires_in=100)
    no_renewals: list[Any] = [-1, -0.001, timedelta(microseconds=-1), timedelta.min, -(10**400)]
    for duration in no_renewals:
        for call in (
            store.get("key", renew_for=duration),
            store.get_many(["key"], renew_for=duration),
            store.renew("key", duration),
            store.renew_many(["key"], duration),
        ):
            with pytest.raises(DurationError, match=r"renew_for.*positive"):
                await call
    for zero in (0, 0.0, timedelta(0)):
        with pytest.raises(DurationError, match="positive"):
            await store.renew("key", zero)
        with pytest.raises(DurationError, match="positive"):
            await store.renew_many(["key"], zero)
    assert await store.expires_in("key") == about(100)


async def test_the_expired_is_gone_for_every_operation_before_it_is_cleaned_up(store: Store) -> None:
    await expire(store, "key", "another")
    assert await store.get("key") is None
    assert await store.get("key", renew_for=100) is None
    assert await store.get_many(["key", "another"]) == {}
    assert await store.get_many(["key", "another"], renew_for=100) == {}
    assert not await store.exists("key")
    assert await store.expires_in("key") is None
    assert await store.renew("key", 100) is False
    assert await store.renew_many(["key", "another"], 100) == set()
    assert await store.get("key") is None
    assert len(await rows(store)) == 2
    assert await store.delete_expired() == 2


async def test_what_replaces_the_expired_is_new(store: Store) -> None:
    await expire(store, "replaced", "kept ttl", "many", value=b"2")
    before = {row["created_at"] for row in await rows(store)}
    await store.set("replaced", b"2", expires_in=100)
    await store.set("kept ttl", b"2", keep_ttl=True)
    await store.set_many({"many": b"2"}, keep_ttl=True)
    assert await store.get_many(["replaced", "kept ttl", "many"]) == dict.fromkeys(
        ["replaced", "kept ttl", "many"], b"2"
    )
    assert await store.expires_in("replaced") == about(100)
    assert await store.expires_in("kept ttl") == -1
    assert await store.expires_in("many") == -1
    assert not before & {row["created_at"] for row in await rows(store)}
    assert await store.delete_expired() == 0


async def test_a_set_replaces_the_expiry_too(store: Store) -> None:
    await store.set("key", b"1", expires_in=10)
    await store.set("key", b"2")
    assert await store.expires_in("key") == -1
    await store.set("key", b"3", expires_in=100)
    assert await store.expires_in("key") == about(100)
    await store.set("key", b"3", expires_in=10)
    assert await store.expires_in("key") == about(10)
    await store.set("key", b"3")
    assert await store.expires_in("key") == -1


async def test_keep_ttl_keeps_the_expiry_to_the_last_digit(store: Store) -> None:
    await store.set("key", b"1", expires_in=100)
    [before] = await rows(store)
    await asyncio.sleep(0.01)
    await store.set("key", b"2", keep_ttl=True)
    [after] = await rows(store)
    assert after["expires_at"] == before["expires_at"]
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]
    assert await store.get("key") == b"2"


async def test_keep_ttl_without_an_expiry_to_keep_is_never(store: Store) -> None:
    await store.set("permanent", b"1")
    await store.set_many({"permanent": b"2", "new": b"2"}, keep_ttl=True)
    assert await store.get_many(["permanent", "new"]) == {"permanent": b"2", "new": b"2"}
    assert await store.expires_in("permanent") == -1
    assert await store.expires_in("new") == -1


async def test_keep_ttl_contradicts_expires_in(store: Store) -> None:
    await store.set("key", b"1", expires_in=100)
    for duration in (10, 0, timedelta(days=1)):
        with pytest.raises(ConfigurationError, match=r"keep_ttl.*expires_in"):
            await store.set("key", b"2", expires_in=duration, keep_ttl=True)
        with pytest.raises(ConfigurationError, match=r"keep_ttl.*expires_in"):
            await store.set_many({"key": b"2"}, expires_in=duration, keep_ttl=True)
    assert await store.get("key") == b"1"
    assert await store.expires_in("key") == about(100)


async def test_a_short_life_is_as_long_as_asked_for(store: Store) -> None:
    """An entry is there all the time it was given, and not for much longer."""
    loop = asyncio.get_running_loop()
    for ttl in (0.05, 0.08, 0.12):
        before = loop.time()
        await store.set("key", b"1", expires_in=ttl)
        after = loop.time()
        while True:
            asked = loop.time()
            value = await store.get("key")
            answered = loop.time()
            if value is None:
                assert answered >= before + ttl - 0.002  # SQLite counts milliseconds
                break
            assert asked <= after + ttl + 0.002
