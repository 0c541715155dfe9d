"""Renewals: what they move, what they never touch, and when they are not written."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.backends import Store, Stores

pytestmark = pytest.mark.about("data")

DAY = 24 * 60 * 60
ROUNDS = 3
KEYS = [f"key {number}" for number in range(100)]


async def is_written(store: Store, call: Awaitable[object]) -> bool:
    """Whether a call changes the only row."""
    [before] = await rows(store)
    await asyncio.sleep(0.003)  # so that a new moment is another one
    await call
    [after] = await rows(store)
    return after != before


@pytest.mark.parametrize("duration, seconds", [(100, 100), (99.5, 99.5), (timedelta(days=3), 3 * DAY)], ids=str)
async def test_every_kind_of_renewal_gives_a_new_expiry(store: Store, duration: Any, seconds: float) -> None:
    await store.set_many(dict.fromkeys("abcd", b"1"), expires_in=10)
    assert await store.get("a", renew_for=duration) == b"1"
    assert await store.get_many(["b"], renew_for=duration) == {"b": b"1"}
    assert await store.renew("c", duration) is True
    assert await store.renew_many(["d"], duration) == {"d"}
    for key in "abcd":
        assert await store.expires_in(key) == about(seconds)
    assert await store.get_many(list("abcd")) == dict.fromkeys("abcd", b"1")


async def test_a_renewal_may_shorten_a_life(store: Store) -> None:
    await store.set_many({"a": b"1", "b": b"1"}, expires_in=100)
    assert await store.get("a", renew_for=10) == b"1"
    assert await store.renew("b", 10)
    assert await store.expires_in("a") == about(10)
    assert await store.expires_in("b") == about(10)


async def test_none_and_zero_are_no_renewal(store: Store) -> None:
    await store.set("key", b"1", expires_in=100)
    zeros: list[Any] = [None, 0, 0.0, timedelta(0)]
    for zero in zeros:
        assert not await is_written(store, store.get("key", renew_for=zero))
        assert not await is_written(store, store.get_many(["key"], zero))
    assert await store.get("key", 0) == b"1"


async def test_what_has_no_expiry_gets_none(store: Store) -> None:
    await store.set("key", b"1")
    assert await store.get("key", renew_for=10) == b"1"
    assert await store.get_many(["key"], renew_for=10) == {"key": b"1"}
    assert await store.renew("key", 10) is True
    assert await store.renew_many(["key", "missing"], 10) == {"key"}
    assert await store.expires_in("key") == -1


async def test_what_is_not_there_is_not_renewed(store: Store) -> None:
    assert await store.get("key", renew_for=10) is None
    assert await store.get_many(["key"], renew_for=10) == {}
    assert await store.renew("key", 10) is False
    assert await store.renew_many(["key"], 10) == set()
    assert await rows(store) == []


# -- what is written


async def test_a_renewal_within_the_tolerance_is_not_written(store: Store) -> None:
    await store.set("key", b"1", expires_in=4000)
    for duration in (4000, 4020, 3990):
        assert not await is_written(store, store.get("key", renew_for=duration)), duration
        assert not await is_written(store, store.renew("key", duration)), duration
    for duration in (4100, 4000, 3900):
        assert await is_written(store, store.get("key", renew_for=duration)), duration
        assert not await is_written(store, store.renew("key", duration)), duration
    for duration in (4000, 4100, 3900):
        assert await is_written(store, store.renew("key", duration)), duration
        assert await store.expires_in("key") == about(duration, within=20)


async def test_the_tolerance_is_a_minute_at_most(store: Store) -> None:
    ttl = 14 * DAY
    await store.set("key", b"1", expires_in=ttl)
    assert not await is_written(store, store.get("key", renew_for=ttl + 50))
    assert not await is_written(store, store.set("key", b"1", expires_in=ttl - 50))
    assert await is_written(store, store.get("key", renew_for=ttl + 70))
    assert await is_written(store, store.set("key", b"1", expires_in=ttl))
    assert await is_written(store, store.renew("key", ttl - 70))


async def test_the_tolerance_can_be_chosen(store: Store, stores: Stores) -> None:
    await store.set("key", b"1", expires_in=100)
    tolerant = stores(renew_tolerance=0.5)
    assert not await is_written(store, tolerant.get("key", renew_for=140))
    assert await is_written(store, tolerant.get("key", renew_for=210))


async def test_without_tolerance_every_renewal_is_exact(store: Store, stores: Stores) -> None:
    exact = stores(renew_tolerance=0)
    await exact.set("key", b"1", expires_in=100)
    assert await is_written(store, exact.get("key", renew_for=100))
    assert await is_written(store, exact.get_many(["key"], renew_for=100))
    assert await is_written(store, exact.renew("key", 100))
    assert await is_written(store, exact.set("key", b"1", expires_in=100))
    assert await is_written(store, exact.renew("key", 1000 * 365 * DAY))
    assert await is_written(store, exact.renew("key", 1000 * 365 * DAY))


async def test_an_unchanged_set_is_not_written(store: Store, stores: Stores) -> None:
    await store.set("key", b"1", expires_in=1000, owner="ada")
    assert not await is_written(store, store.set("key", "1", expires_in=1000, owner="ada"))
    assert not await is_written(store, store.set("key", b"1", expires_in=timedelta(seconds=1005), owner="ada"))
    assert not await is_written(store, store.set_many({"key": b"1"}, expires_in=995, owner="ada"))
    assert not await is_written(store, store.set("key", b"1", keep_ttl=True, owner="ada"))
    assert not await is_written(store, stores().set("key", b"1", expires_in=1000, owner="ada"))


async def test_an_unchanged_set_without_expiry_is_not_written_even_without_tolerance(
    store: Store, stores: Stores
) -> None:
    await store.set("key", b"1")
    assert not await is_written(store, store.set("key", b"1"))
    assert not await is_written(store, stores(renew_tolerance=0).set("key", b"1"))
    assert not await is_written(store, store.set("key", b"1", keep_ttl=True))


@pytest.mark.formats("json")
async def test_a_set_of_the_same_json_is_not_written(store: Store) -> None:
    await store.set("key", b'{"user": "ada", "visits": 3}', expires_in=1000)
    assert not await is_written(store, store.set("key", b'{"user": "ada", "visits": 3}', expires_in=1000))


async def test_a_set_that_changes_anything_is_written(store: Store) -> None:
    await store.set("key", b"1", expires_in=1000)
    for call in (
        store.set("key", b"2", expires_in=1000),
        store.set("key", b'"2"', expires_in=1000),
        store.set("key", b'"2"', expires_in=1000, owner="ada"),
        store.set("key", b'"2"', expires_in=1000, owner="Ada"),
        store.set("key", b'"2"', expires_in=1000, owner=""),
        store.set("key", b'"2"', expires_in=1000),
        store.set("key", b'"2"', expires_in=1020),
        store.set("key", b'"2"', expires_in=1000),
        store.set("key", b'"2"'),
        store.set("key", b'"2"', expires_in=1000),
        store.set("key", b"1", keep_ttl=True),
        store.set("key", b"1", keep_ttl=True, owner="ada"),
        store.set("key", b"1", keep_ttl=True),
    ):
        assert await is_written(store, call)
    [row] = await rows(store)
    assert row["created_at"] < row["updated_at"]
    assert row["owner"] is None
    assert await store.expires_in("key") == about(1000)


# -- races: two stores on one database; everything here is true in whatever order the calls take effect


def both(stores: Stores) -> tuple[Store, Store]:
    # Without tolerance each renewal is due.
    return stores(renew_tolerance=0), stores(renew_tolerance=0)


async def test_a_renewal_never_extends_what_has_replaced_the_entry_it_read(store: Store, stores: Stores) -> None:
    renewing, setting = both(stores)
    for _ in range(ROUNDS):
        await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=50)

        async def race(key: str) -> None:
            found, _ = await asyncio.gather(renewing.get(key, renew_for=1000), setting.set(key, b"2", expires_in=10))
            assert await store.expires_in(key) == (about(10) if found == b"1" else about(1000))

        await asyncio.gather(*map(race, KEYS))
        assert await store.get_many(KEYS) == dict.fromkeys(KEYS, b"2")


async def test_a_renewal_never_brings_back_what_was_deleted(store: Store, stores: Stores) -> None:
    renewing, deleting = both(stores)
    for _ in range(ROUNDS):
        await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=50)

        async def race(key: str) -> None:
            await asyncio.gather(
                renewing.get(key, renew_for=1000),
                renewing.renew(key, 1000),
                deleting.set(key, b"2", expires_in=0) if key.endswith("7") else deleting.delete(key),
                renewing.get_many([key], renew_for=1000),
            )
            assert not await store.exists(key)

        await asyncio.gather(*map(race, KEYS))
        assert await rows(store) == []


async def test_a_renewal_never_gives_an_expiry_to_what_has_become_permanent(store: Store, stores: Stores) -> None:
    renewing, setting = both(stores)
    for _ in range(ROUNDS):
        await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=50)

        async def race(key: str) -> None:
            await asyncio.gather(
                renewing.get(key, renew_for=1000), setting.set(key, b"1"), renewing.renew(key, renew_for=1000)
            )
            assert await store.expires_in(key) == -1

        await asyncio.gather(*map(race, KEYS))


async def test_a_renewal_never_makes_an_entry_permanent(store: Store, stores: Stores) -> None:
    renewing, setting = both(stores)
    for _ in range(ROUNDS):
        await store.set_many(dict.fromkeys(KEYS, b"1"))

        async def race(key: str) -> None:
            await asyncio.gather(
                renewing.get(key, renew_for=1000), setting.set(key, b"1", expires_in=10), renewing.renew(key, 1000)
            )
            assert await store.expires_in(key) in [about(10), about(1000)]

        await asyncio.gather(*map(race, KEYS))


async def test_renewals_of_many_stores_leave_one_of_their_expiries(store: Store, stores: Stores) -> None:
    one, other = both(stores)
    await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=50)
    await asyncio.gather(
        *(one.get(key, renew_for=100) for key in KEYS), *(other.get(key, renew_for=1000) for key in reversed(KEYS))
    )
    for key in KEYS:
        assert await store.expires_in(key) in [about(100, within=30), about(1000, within=30)]
    assert await store.get_many(KEYS) == dict.fromkeys(KEYS, b"1")
