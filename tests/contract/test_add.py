"""What imports do: store what is not there, and leave the rest as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores.backends.records import Entry
from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from tests.backends import Backend, Store, Stores

pytestmark = pytest.mark.about("driver", "data")


async def add(store: Store, values: dict[str, bytes], ttl: int | None = 100_000, owner: str | None = None) -> int:
    """Store values, with a time to live in milliseconds; how many."""
    stored = {store.digest(key): store._stored(store.digest(key), value) for key, value in values.items()}
    entries = {digest: Entry(store.namespace, stored[digest], ttl, 0, owner) for digest in sorted(stored)}
    added: int = await store._submit_alone(store._operations.add, entries)
    return added


async def test_what_is_not_there_is_stored(store: Store) -> None:
    assert await add(store, {"a": b"1", "b": b"2"}, owner="ada") == 2
    assert await add(store, {"c": b"3"}, ttl=None) == 1
    assert await store.get_many(list("abc")) == {"a": b"1", "b": b"2", "c": b"3"}
    assert await store.expires_in("a") == about(100)
    assert await store.expires_in("c") == -1
    assert len(await store.list_owned("ada")) == 2


async def test_what_lives_stays_as_it_is(store: Store) -> None:
    await store.set("expires", b"1", expires_in=1000, owner="ada")
    await store.set("stays", b"2")
    before = await rows(store)
    assert await add(store, {"expires": b"3", "stays": b"4"}) == 0
    assert await rows(store) == before
    assert await add(store, {"expires": b"3", "new": b"5", "stays": b"4"}, owner="bob") == 1
    assert await store.get_many(["expires", "stays", "new"]) == {"expires": b"1", "stays": b"2", "new": b"5"}
    assert await store.expires_in("expires") == about(1000)
    assert [len(await store.list_owned(owner)) for owner in ("ada", "bob")] == [1, 1]


async def test_what_has_expired_is_replaced_as_a_whole(stores: Stores) -> None:
    async with stores(keep_keys=True) as store:
        await store.create_table()
        await store.set("key", b"1", expires_in=0.001, owner="ada")
        (before,) = await rows(store)
        await asyncio.sleep(0.01)
        assert await add(store, {"key": b"2"}, ttl=None) == 1
        (after,) = await rows(store)
        assert await store.get("key") == b"2"
        assert await store.expires_in("key") == -1
    assert before["key_text"] == "key"
    assert (after["key_text"], after["owner"]) == (None, None)
    assert min(after["created_at"], after["updated_at"]) > before["created_at"]


async def test_many_that_add_at_once_add_each_key_once(store: Store, stores: Stores, backend: Backend) -> None:
    spaces = [store, *(stores() for _ in range(3 if "several writers" in backend.capabilities else 0))]
    keys = [str(number) for number in range(100)]
    added = await asyncio.gather(*(add(space, dict.fromkeys(keys, str(n).encode())) for n, space in enumerate(spaces)))
    assert sum(added) == len(keys)
    assert len(await store.get_many(keys)) == len(keys)
