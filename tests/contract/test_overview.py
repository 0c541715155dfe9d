"""What those see who run the application: how much of what there is, and all about an entry but its value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import InvalidKeyError
from litestar_sqlstores.durations import Duration
from litestar_sqlstores.store.overview import TIMES_TO_EXPIRY
from tests.waiting import until

if TYPE_CHECKING:
    from tests.backends import Store, Stores

LIVES: dict[str, Duration | None] = {
    "under a minute": 50,
    "a minute to an hour": 70,
    "an hour to a day": 3700,
    "a day to a week": timedelta(days=1, minutes=1),
    "a week to 30 days": timedelta(days=29),
    "over 30 days": timedelta(days=400),
    "never": None,
}


async def expire(store: Store, key: str) -> None:
    """Have an entry that has expired and is still there."""
    await store.set(key, b"1", expires_in=0.001)

    async def expired() -> bool:
        return not await store.exists(key)

    await until(expired)


async def test_stats_count_by_namespace_and_time_to_expiry(store: Store) -> None:
    cache = store.with_namespace("cache")
    for number, (name, life) in enumerate(LIVES.items(), 1):
        await store.set_many({f"{name} {each}": b"1" for each in range(number)}, expires_in=life)
    await cache.set("key", b"123", expires_in=70)
    await expire(cache, "expired")
    root, child = await store.stats()
    assert (root.namespace, root.live, root.expired) == (store.namespace, 28, 0)
    assert root.expiring == {name: number for number, name in enumerate(LIVES, 1)}
    assert list(root.expiring) == [*TIMES_TO_EXPIRY, "never"]
    assert (child.namespace, child.live, child.expired) == (cache.namespace, 1, 1)
    assert child.expiring == {"a minute to an hour": 1}
    if store.settings.data_format == "bytes":
        assert (root.size, child.size) == (28, 4)
    else:  # as much as the database makes of it
        assert root.size >= 28
        assert child.size >= 4


async def test_an_empty_table_has_no_stats_and_no_namespaces(store: Store) -> None:
    assert await store.stats() == []
    assert await store.namespaces() == []
    assert await store.inspect("key") == []


async def test_namespaces_are_those_of_the_store_and_its_children(stores: Stores) -> None:
    store, other, sibling = (stores(namespace=name) for name in ("APP", "OTHER", "APPLE"))
    await store.create_table()
    for each in (store.with_namespace("b"), store, store.with_namespace("a").with_namespace("b"), other, sibling):
        await each.set_many({"one": b"1", "two": b"2"})
    await expire(store.with_namespace("z"), "key")
    assert await store.namespaces() == ["APP", "APP_a\x1fb", "APP_b", "APP_z"]
    assert await store.with_namespace("a").namespaces() == ["APP_a\x1fb"]
    assert [each.namespace for each in await store.stats()] == ["APP", "APPLE", "APP_a\x1fb", "APP_b", "APP_z", "OTHER"]


async def test_one_text_is_no_list_of_namespaces(store: Store) -> None:
    with pytest.raises(InvalidKeyError, match="namespaces is 'LITESTAR'; it must be a list"):
        await store.inspect("key", "LITESTAR")


async def test_inspect_tells_all_but_the_value(store: Store) -> None:
    child = store.with_namespace("child")
    before = datetime.now(UTC)
    await store.set("key", b"12", expires_in=100, owner="alice")
    await child.set("key", b"1")
    await expire(child, "expired")
    (entry,) = await store.inspect("key")
    assert (entry.namespace, entry.owner, entry.expired) == (store.namespace, "alice", False)
    assert entry.size == 2 or store.settings.data_format == "json"
    assert entry.created_at == entry.updated_at
    assert abs(entry.created_at - before) < timedelta(seconds=60)
    assert entry.expires_at is not None
    assert abs(entry.expires_at - entry.created_at - timedelta(seconds=100)) < timedelta(milliseconds=10)
    both = await store.inspect("key", [store.namespace, child.namespace])
    assert [(each.namespace, each.expires_at is None) for each in both] == [
        (store.namespace, False),
        (child.namespace, True),
    ]
    (gone,) = await child.inspect("expired")
    assert gone.expired
    assert gone.owner is None
    assert await store.inspect("expired") == []
    assert await store.inspect("key", []) == []
    many = [f"{store.namespace}_{number}" for number in range(600)]
    assert [each.namespace for each in await store.inspect("key", [*many, child.namespace])] == [child.namespace]


async def test_clear_tells_how_many_entries_it_removed(store: Store) -> None:
    child = store.with_namespace("child")
    await store.set("kept", b"1")
    await child.set_many({str(number): b"1" for number in range(3)})
    await child.with_namespace("grandchild").set("key", b"1")
    assert await child.clear() == 4
    assert await child.clear() == 0
    assert await store.exists("kept")
