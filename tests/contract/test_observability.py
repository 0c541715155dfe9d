"""What a store tells an observer adds up, on every backend, and gives nothing away."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.observability import Observers
from litestar_sqlstores.observability.logs import LoggingObserver
from tests.contract.helpers import ALL
from tests.totals import Totals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Store, Stores

KEYS = [str(number) for number in range(20)]


@pytest.fixture
def totals() -> Totals:
    return Totals()


@pytest.fixture
async def observed(stores: Stores, totals: Totals) -> AsyncIterator[Store]:
    async with stores(observer=totals) as store:
        await store.create_table()
        totals.calls.clear()
        totals.counts.clear()
        yield store


async def every(calls: Any) -> None:
    await asyncio.gather(*calls)


async def test_what_is_told_adds_up(observed: Store, totals: Totals) -> None:
    store = observed
    # Sets: 20 new; 20 unchanged and one new; 5 changed; one key thrice.
    await every(store.set(key, b"1", 1000) for key in KEYS)
    await store.set_many(dict.fromkeys([*KEYS, "20"], b"1"), 1000)
    await every(store.set(key, b"2", 1000) for key in KEYS[:5])
    await every(store.set("21", str(number), 1000) for number in range(3))
    sets = {name: totals.counts[f"sets {name}"] for name in ("written", "skipped")}
    assert sum(sets.values()) == totals.calls["set"] == 20 + 21 + 5 + 3
    # How many of those for one key travel together is a matter of time.
    assert 20 + 1 + 5 + 1 <= sets["written"] <= 20 + 1 + 5 + 3

    # The same, keeping expiries: unchanged, changed, new.
    before = totals.counts["sets written"]
    await store.set_many(dict.fromkeys([*KEYS[:7], "22"], b"2"), keep_ttl=True)
    assert totals.calls["set_keeping_ttl"] == 8
    assert totals.counts["sets written"] == before + 3
    assert totals.counts["sets written"] + totals.counts["sets skipped"] == 49 + 8

    # Gets: 23 hits and 5 misses, then with renewals that are due for ten, not for ten, and not possible for one.
    await every(store.get(key) for key in [*KEYS, "20", "21", "22", "a", "b", "c", "d", "e"])
    assert (totals.calls["get"], totals.counts["gets hit"], totals.counts["gets miss"]) == (28, 23, 5)
    await every(store.get(key, renew_for=2000) for key in [*KEYS[:10], "a"])
    assert (totals.counts["renewals written"], totals.counts["renewals skipped"]) == (10, 0)
    await every(store.get(key, renew_for=1000) for key in [*KEYS[10:], "22", "b"])
    assert (totals.counts["renewals written"], totals.counts["renewals skipped"]) == (10, 11)
    assert (totals.calls["get_and_renew"], totals.counts["gets hit"], totals.counts["gets miss"]) == (23, 44, 7)

    # Renewals by themselves: due, not due, of what has no expiry and of what is not there.
    assert await store.renew_many(KEYS[:4], 3000) == frozenset(KEYS[:4])
    assert await store.renew("0", 3000)
    assert await store.renew("22", 3000)
    assert not await store.renew("a", 3000)
    assert (totals.counts["renewals written"], totals.counts["renewals skipped"]) == (14, 13)
    assert totals.calls["renew"] == 7

    # The rest.
    await every(store.increment(key) for key in KEYS)
    await every([store.exists("0"), store.expires_in("1"), store.delete("2"), store.delete_many(KEYS[3:6])])
    await store.set("3", b"1", expires_in=0)
    assert await store.replace("0", b"1")
    assert await store.delete_expired() == 0
    expected = {"increment": 20, "remaining": 2, "delete": 5, "replace": 1, "delete_expired": 1}
    assert {name: totals.calls[name] for name in expected} == expected
    assert not [name for name in totals.counts if "fail" in name]
    assert all(each.calls >= 1 and each.queued > -0.001 and each.seconds >= 0 for each in totals.statements)


async def test_writes_of_one_statement_are_told_apart(observed: Store, totals: Totals) -> None:
    """New, changed and unchanged entries, and due and undue renewals, in one statement."""
    for key, ttl in (("changed", 1000), ("same", 1000), ("same too", 1000)):
        await observed.set(key, b"1", ttl)
    totals.counts.clear()
    await observed.set_many({"changed": b"2", "same": b"1", "same too": b"1", "new": b"1", "newer": b"1"}, 1000)
    assert (totals.counts["sets written"], totals.counts["sets skipped"]) == (3, 2)
    await observed.renew("same", 2000)
    totals.counts.clear()
    await observed.get_many(["changed", "same", "same too", "new", "missing"], renew_for=1000)
    assert totals.counts == {"gets hit": 4, "gets miss": 1, "renewals written": 1, "renewals skipped": 3}
    totals.counts.clear()
    await observed.renew_many(["changed", "same", "missing"], 1070)
    assert totals.counts == {"renewals written": 2}


async def test_calls_are_answered_the_same_with_an_observer(observed: Store) -> None:
    await observed.set("key", b"1", 1000)
    assert await observed.get("key", renew_for=1000) == await observed.get("key", renew_for=5000) == b"1"
    assert await observed.get_many(["key", "missing"], renew_for=6000) == {"key": b"1"}
    assert await observed.renew_many(["key", "missing"], 7000) == {"key"}
    assert 6900 < (await observed.expires_in("key") or 0) <= 7000


async def test_cleanup_is_told(observed: Store, totals: Totals) -> None:
    await observed.set_many(dict.fromkeys(KEYS, b"1"), expires_in=0.001)
    await asyncio.sleep(0.05)
    assert await observed.delete_expired(batch_size=7) == 20
    assert totals.counts["removed"] == 20


async def test_failures_are_told(stores: Stores, totals: Totals) -> None:
    store = stores(observer=totals)
    with pytest.raises(StoreError):
        await store.get("key")
    assert totals.counts == {"failures MissingTableError": 1}
    assert not totals.statements


async def test_nothing_that_is_told_logged_or_raised_gives_anything_away(
    stores: Stores, totals: Totals, caplog: pytest.LogCaptureFixture
) -> None:
    key, value, owner = "planted-key-7b1c", "planted-value-7b1c", "planted-owner-7b1c"
    caplog.set_level(logging.DEBUG)
    store = stores(observer=Observers(LoggingObserver(slow=0), totals), keep_keys=["cache"], max_value_bytes=100)
    seen: list[object] = [store, store.settings]

    async def fail(call: Any) -> None:
        with pytest.raises(StoreError) as error:
            await call
        # What the driver says may have values, so its error is the cause, and never in ours.
        seen.extend([str(error.value), error.value, traceback.format_exception_only(error.value)])

    async with store:
        for operation in ALL.values():
            await fail(operation(store, key))
        await store.create_table()
        for space in (store, store.with_namespace("cache")):
            for operation in ALL.values():
                await operation(space, key)
            await space.set(key, f'"{value}"', 100, owner=owner)
            await space.replace(key, f'"{value}!"', 100, owner=owner)
            seen.extend([await space.list_owned(owner), space])
            await fail(space.set(key, value * 10))
            await fail(space.increment(key))
            await fail(space.set(key, value, -1, keep_ttl=True))
            await space.delete_owned(owner)
        await store.with_namespace("cache").invalidate(prefix=key)
        await fail(store.invalidate(prefix=key))
        await store.delete_expired()
    seen.extend([totals.calls, totals.counts, totals.statements])
    ours = [record for record in caplog.records if record.name == "litestar_sqlstores"]
    assert len(ours) > 20
    seen.extend(vars(record) for record in ours)
    text = "\n".join(map(repr, [*seen, *(record.getMessage() for record in ours)]))
    assert "planted" not in text
