"""Namespaces share a table and nothing else; bulk removal reaches children and nobody else."""

from __future__ import annotations

import asyncio
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from litestar_sqlstores import BaseSQLSpecStore, ConfigurationError, create_store
from tests.backends import rows

if TYPE_CHECKING:
    from tests.backends import Database, Store, Stores

RELATED = ["LITESTAR", "LITESTAR_child", "LITESTAR_child_child", "LITESTAR_child2", "LITESTAR_", "LITESTAR__child"]
UNRELATED = [
    *(
        "LITESTARX",
        "LITESTARchild",
        "LITESTA",
        "LITEST_R",
        "LITESTARX_child",
        "litestar",
        "litestar_child",
        "Litestar_x",
    ),
    *(f"LITESTAR{character}child" for character in "!%*-/0@AZ[^`a{~ "),
    *("%", "_", "OTHER", "_LITESTAR", "X_LITESTAR", "L", "n" * 255),
]

NAMES = st.text(st.sampled_from("ab_ !/~"), min_size=1, max_size=3)


def in_namespace(store: Store, stores: Stores, namespace: str) -> Store:
    """A store of another application, on the same pool."""
    return stores.on(store.config, namespace=namespace)


async def test_children_have_a_place_below_their_parent(store: Store) -> None:
    assert store.namespace == "LITESTAR"
    child = store.with_namespace("child")
    assert child.namespace == "LITESTAR_child"
    # Whatever follows a child is not a part of its name, which may have an underscore.
    assert child.with_namespace("grandchild").namespace == "LITESTAR_child\x1fgrandchild"
    assert type(child) is type(store)
    assert child.settings is store.settings
    assert child.config is store.config


async def test_every_operation_on_keys_stays_in_its_namespace(store: Store) -> None:
    spaces = [
        store,
        store.with_namespace("a"),
        store.with_namespace("b"),
        store.with_namespace("a").with_namespace("a"),
    ]
    for number, space in enumerate(spaces):
        await space.set("key", str(number), expires_in=100 + 10 * number)
    acting, *others = spaces
    await acting.set_many({"key": b'"new"', "own": b'"new"'})
    await acting.renew("key", 500)
    await acting.get("key", renew_for=500)
    for number, space in enumerate(others, 1):
        assert await space.get("key") == str(number).encode()
        assert 95 + 10 * number < (await space.expires_in("key") or 0) <= 100 + 10 * number
        assert not await space.exists("own")
        assert await space.get_many(["key", "own"]) == {"key": str(number).encode()}
    await acting.delete_many(["key", "own"])
    await acting.delete("key")
    assert not await acting.exists("key")
    assert [await space.exists("key") for space in others] == [True] * 3


async def test_namespace_and_key_are_not_run_together(store: Store) -> None:
    child = store.with_namespace("child")
    pairs = [
        (store, "child_key"),
        (store, "_child_key"),
        (store, "childkey"),
        (child, "key"),
        (child, "_key"),
        (child, ""),
    ]
    for number, (space, key) in enumerate(pairs):
        await space.set(key, str(number))
    assert [await space.get(key) for space, key in pairs] == [str(number).encode() for number in range(len(pairs))]
    assert len(await rows(store)) == len(pairs)


async def test_stores_of_one_namespace_share_what_is_in_it(store: Store, stores: Stores) -> None:
    await store.with_namespace("child").set("key", b"1")
    assert await in_namespace(store, stores, "LITESTAR_child").get("key") == b"1"
    assert await stores().with_namespace("child").get("key") == b"1"
    assert await store.with_namespace("child").get("key") == b"1"


async def test_delete_all_reaches_children_and_nobody_else(store: Store, stores: Stores) -> None:
    spaces = {namespace: in_namespace(store, stores, namespace) for namespace in (*RELATED, *UNRELATED)}
    for space in spaces.values():
        async with space:  # gives its connection back
            await space.set("key", b"1")
            await space.set("expired", b"1", expires_in=0.001)
    await store.delete_all()
    assert {row["namespace"] for row in await rows(store)} == set(UNRELATED)
    for namespace, space in spaces.items():
        async with space:
            assert await space.get("key") == (b"1" if namespace in UNRELATED else None), namespace


async def test_delete_all_of_a_child_leaves_its_parent_and_siblings(store: Store) -> None:
    child, sibling = store.with_namespace("cache"), store.with_namespace("cache2")
    for space in (store, child, child.with_namespace("x"), sibling):
        await space.set_many({"a": b"1", "b": b"1"}, expires_in=100)
    await child.delete_all()
    assert await child.get_many(["a", "b"]) == await child.with_namespace("x").get_many(["a", "b"]) == {}
    assert await store.get_many(["a", "b"]) == await sibling.get_many(["a", "b"]) == {"a": b"1", "b": b"1"}


async def test_delete_all_removes_more_than_a_batch(
    store: Store, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litestar_sqlstores.store.calls.DELETE_BATCH", 50)
    other = in_namespace(store, stores, "OTHER")
    child = store.with_namespace("child")
    await store.set_many({str(number): b"1" for number in range(75)}, expires_in=100)
    await child.set_many({str(number): b"1" for number in range(50)})
    await other.set_many({str(number): b"1" for number in range(50)})
    await store.delete_all()
    assert {row["namespace"] for row in await rows(store, "namespace")} == {"OTHER"}
    assert len(await other.get_many(map(str, range(50)))) == 50
    await store.delete_all()
    assert await store.get_many(map(str, range(100))) == {}
    await store.set("1", b"2")
    assert await store.get("1") == b"2"


async def test_delete_all_ends_at_batch_boundaries(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litestar_sqlstores.store.calls.DELETE_BATCH", 50)
    for size in (49, 50, 51):
        await store.set_many({str(number): b"1" for number in range(size)})
        await store.delete_all()
        assert await rows(store, "namespace") == []


async def test_what_is_no_namespace_is_refused(store: Store, stores: Stores) -> None:
    for name in ("", "é", "a\0b", "a\n", "x" * 256, "\ud800", None, 1, b"a"):
        with pytest.raises(ConfigurationError, match="namespace"):
            store.with_namespace(name)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="namespace"):
            stores(namespace=name)
    with pytest.raises(ConfigurationError, match="255"):
        store.with_namespace("x" * 250)


async def test_names_that_have_underscores_are_not_confused(store: Store) -> None:
    paths = [
        *(["cache"], ["cache_sessions"], ["cache", "sessions"], ["cache_", "sessions"], ["cache", "_sessions"]),
        *(
            ["a", "b_c"],
            ["a_b", "c"],
            ["a_b_c"],
            ["a", "b", "c"],
            ["_"],
            ["_", "_"],
            ["__"],
            ["a", " "],
            ["a "],
            ["a", "!"],
        ),
    ]
    spaces = {tuple(path): reduce(BaseSQLSpecStore[Any].with_namespace, path, store) for path in paths}
    for number, space in enumerate(spaces.values()):
        await space.set("key", str(number))
    assert len(await rows(store)) == len(paths)
    for path, space in spaces.items():
        below = {other for other in spaces if other[: len(path)] == path}
        assert set(await space.namespaces()) == {spaces[other].namespace for other in below}
        # One of them is never reached, so that an empty table cannot pass.
        assert await space.clear() == len(below)
        for number, (other, each) in enumerate(spaces.items()):
            assert await each.get("key") == (None if other in below else str(number).encode()), (path, other)
            await each.set("key", str(number))


# Not drawn by hypothesis anew for each database: what differs between them is how they compare text.
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.text(st.sampled_from("ab_ !/~"), min_size=1, max_size=3), max_size=3), min_size=2, max_size=6)
)
@pytest.mark.needs("processes")
def test_no_operation_reaches_what_is_not_below(database: Database, data_format: Any, paths: list[list[str]]) -> None:
    async def run() -> None:
        async with create_store(database.url, table=database.table, data_format=data_format) as store:
            await store.create_table()
            await store.delete_all()
            spaces = {tuple(path): reduce(BaseSQLSpecStore[Any].with_namespace, path, store) for path in paths}
            for space in spaces.values():
                await space.set("key", b"1", owner="ada")
            cleared = tuple(paths[0])
            await spaces[cleared].delete_all()
            for path, space in spaces.items():
                assert (await space.get("key") is None) == (path[: len(cleared)] == cleared), path

    asyncio.run(run())


async def test_rows_of_earlier_versions_are_found(store: Store, stores: Stores) -> None:
    # What was LITESTAR_my_app_sessions, however deep it lay, is a child of the root LITESTAR_my_app.
    earlier = in_namespace(store, stores, "LITESTAR_my_app_sessions")
    await earlier.set("key", b"1")
    assert await store.with_namespace("my_app_sessions").get("key") == b"1"
    assert await in_namespace(store, stores, "LITESTAR_my_app").with_namespace("sessions").get("key") == b"1"
    assert await store.with_namespace("my_app").with_namespace("sessions").get("key") is None
