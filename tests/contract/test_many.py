"""The operations over many keys are the ones over single keys, all at once."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import InvalidKeyError
from litestar_sqlstores.coalescing import MAX_BATCH_ITEMS
from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from tests.backends import Store, Stores

MANY = {f"key {number}": str(number).encode() for number in range(MAX_BATCH_ITEMS + 50)}


async def test_more_keys_than_a_statement_takes(store: Store) -> None:
    await store.set_many(MANY, expires_in=100)
    assert len(await rows(store, "namespace")) == len(MANY)
    assert await store.get_many(MANY) == MANY
    assert await store.get_many(MANY, renew_for=200) == MANY
    assert await store.expires_in(f"key {len(MANY) - 1}") == about(200, within=60)
    assert await store.renew_many(MANY, 300) == set(MANY)
    assert await store.expires_in("key 0") == about(300, within=60)
    half = list(MANY)[::2]
    await store.delete_many(half)
    assert await store.get_many(MANY) == {key: value for key, value in MANY.items() if key not in set(half)}
    assert await store.renew_many(MANY, 300) == set(MANY) - set(half)


async def test_nothing_is_fine(store: Store) -> None:
    assert await store.get_many([]) == {}
    assert await store.get_many(iter(()), renew_for=10) == {}
    assert await store.renew_many((), 10) == set()
    await store.set_many({})
    await store.delete_many([])
    assert await rows(store) == []


async def test_a_key_may_be_given_several_times(store: Store) -> None:
    await store.set("a", b"1", expires_in=10)
    assert await store.get_many(["a", "b", "a", "a", "b"]) == {"a": b"1"}
    assert await store.get_many(["a"] * 2000, renew_for=100) == {"a": b"1"}
    assert await store.expires_in("a") == about(100)
    assert await store.renew_many(["a"] * 2000 + ["b"] * 2000, 200) == {"a"}
    await store.delete_many(["a"] * 2000)
    assert await rows(store) == []


async def test_any_iterable_of_keys_will_do(store: Store) -> None:
    await store.set_many({"a": b"1", "b": b"2"}, expires_in=10)
    assert await store.get_many(key for key in "abc") == {"a": b"1", "b": b"2"}
    assert await store.get_many({"a", "b"}, renew_for=100) == {"a": b"1", "b": b"2"}
    assert await store.renew_many(iter("abc"), 200) == {"a", "b"}
    await store.delete_many(key for key in "a")
    assert await store.get_many(("a", "b")) == {"b": b"2"}


async def test_only_what_lives_is_found(store: Store) -> None:
    await store.set_many({"expired": b"1"}, expires_in=0.001)
    await store.set_many({"permanent": b"1"})
    await store.set_many({"living": b"1"}, expires_in=100)
    await asyncio.sleep(0.01)
    keys = ["expired", "missing", "permanent", "living"]
    assert await store.get_many(keys) == {"permanent": b"1", "living": b"1"}
    assert await store.get_many(keys, renew_for=200) == {"permanent": b"1", "living": b"1"}
    assert await store.renew_many(keys, 300) == {"permanent", "living"}
    assert await store.expires_in("permanent") == -1
    assert await store.expires_in("living") == about(300)


async def test_set_many_takes_the_options_of_set(store: Store) -> None:
    await store.set("a", b"1", expires_in=100)
    await store.set_many({"a": b"2", "b": "2"}, keep_ttl=True, owner="ada")
    assert await store.expires_in("a") == about(100)
    assert await store.expires_in("b") == -1
    assert {row["owner"] for row in await rows(store)} == {"ada"}
    await store.set_many({"a": b"2", "b": bytearray(b"3")}, 200)
    assert await store.expires_in("b") == about(200)
    assert {row["owner"] for row in await rows(store)} == {None}
    await store.set_many({"a": b"2", "c": b"3"}, expires_in=0)
    assert await store.get_many(["a", "b", "c"]) == {"b": b"3"}


async def test_nothing_is_written_if_a_key_is_none(store: Store) -> None:
    await store.set("old", b"1", expires_in=100)
    with pytest.raises(InvalidKeyError):
        await store.set_many({**MANY, "old": b"2", 5: b"1"})  # type: ignore[dict-item]
    with pytest.raises(InvalidKeyError):
        await store.delete_many([*MANY, "old", None])  # type: ignore[list-item]
    with pytest.raises(InvalidKeyError):
        await store.renew_many([*MANY, "old", None], 1000)  # type: ignore[list-item]
    await asyncio.sleep(0.02)  # what went out nevertheless arrives
    assert len(await rows(store, "namespace")) == 1
    assert await store.get("old") == b"1"
    assert await store.expires_in("old") == about(100)


async def test_more_keys_than_may_wait(stores: Stores, store: Store) -> None:
    """One caller alone is no overload."""
    narrow = stores(max_pending=100)
    await narrow.set_many(MANY)
    assert await narrow.get_many(MANY) == MANY


async def test_many_callers_with_many_keys(store: Store) -> None:
    parts = [{f"{part} {number}": str(part * 100 + number).encode() for number in range(40)} for part in range(20)]
    await asyncio.gather(*(store.set_many(part, expires_in=100) for part in parts))
    assert await asyncio.gather(*(store.get_many(part) for part in parts)) == parts
    assert await asyncio.gather(*(store.renew_many(part, 200) for part in parts)) == [set(part) for part in parts]
    await asyncio.gather(*(store.delete_many(part) for part in parts[::2]))
    assert await asyncio.gather(*(store.get_many(part) for part in parts[:2])) == [{}, parts[1]]


@pytest.mark.parametrize("keys", ["ab", b"ab", ""])
async def test_one_text_is_no_list_of_keys(store: Store, keys: Any) -> None:
    await store.set_many({"a": b"1", "b": b"2"})
    calls = (store.get_many, store.delete_many, partial(store.renew_many, renew_for=10), store.set_many)
    for call in calls:
        with pytest.raises(InvalidKeyError, match=f"not (one )?{type(keys).__name__}"):
            await call(keys)
    assert await store.get_many(["a", "b"]) == {"a": b"1", "b": b"2"}


async def test_what_is_no_mapping_is_not_set(store: Store) -> None:
    wrong: Any = [("a", b"1")]
    with pytest.raises(InvalidKeyError, match="items are a mapping of keys to values, not list"):
        await store.set_many(wrong)
