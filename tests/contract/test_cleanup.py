"""delete_expired: in bounded batches, all that is expired and nothing else, by any number of workers at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ConfigurationError
from tests.backends import quoted_table, rows

if TYPE_CHECKING:
    from tests.backends import Backend, Store, Stores

pytestmark = pytest.mark.about("driver")

LIVING = {f"living {number}": b"1" for number in range(10)}


@pytest.fixture
async def expired(store: Store) -> int:
    """So many rows have expired, in several namespaces; as many again will live, with and without an expiry."""
    for space in (store, store.with_namespace("child"), store.with_namespace("other")):
        await space.set_many({f"expired {number}": b"1" for number in range(10)}, expires_in=0.001)
    await store.set_many(LIVING)
    await store.with_namespace("child").set_many(LIVING, expires_in=100)
    await store.with_namespace("other").set_many(LIVING, expires_in=1000)
    await asyncio.sleep(0.01)
    return 30


async def living(store: Store) -> int:
    found = [
        await space.get_many(LIVING) for space in (store, store.with_namespace("child"), store.with_namespace("other"))
    ]
    return sum(map(len, found))


async def test_removes_what_has_expired_in_every_namespace_and_nothing_else(store: Store, expired: int) -> None:
    assert await store.with_namespace("child").delete_expired() == expired
    assert await living(store) == 30
    assert len(await rows(store)) == 30
    assert await store.delete_expired() == 0


async def test_nothing_to_remove(store: Store) -> None:
    assert await store.delete_expired() == 0
    await store.set_many(LIVING, expires_in=100)
    assert await store.delete_expired(batch_size=1) == 0


@pytest.mark.parametrize("batch_size", [1, 7, 30, 10**9])
async def test_batches_of_any_size_remove_everything(store: Store, expired: int, batch_size: int) -> None:
    assert await store.delete_expired(batch_size) == expired
    assert await living(store) == 30


async def test_a_batch_is_never_larger_than_asked_for(store: Store, expired: int) -> None:
    removed = 0
    for batch_size, max_batches in ((1, 1), (2, 1), (1, 3), (3, 2), (5, 1)):
        assert await store.delete_expired(batch_size=batch_size, max_batches=max_batches) == batch_size * max_batches
        removed += batch_size * max_batches
        assert len(await rows(store, "namespace")) == 60 - removed
    assert await store.delete_expired(batch_size=10, max_batches=5) == expired - removed
    assert await living(store) == 30


async def test_a_batch_is_never_larger_whatever_the_database_knows_of_the_table(store: Store, backend: Backend) -> None:
    """With statistics of a tiny table a planner may run a subquery once for each row."""
    for size in (1, 2, 3, 20):
        await store.set_many({f"{number}": b"1" for number in range(size)}, expires_in=0.001)
        await asyncio.sleep(0.01)
        if backend.analyze:
            async with store.config.provide_session() as session:
                await session.execute_script(backend.analyze.format(table=quoted_table(store)))
        assert await store.delete_expired(batch_size=1, max_batches=1) == 1
        assert len(await rows(store, "namespace")) == size - 1
        await store.set_many({f"{number}": b"1" for number in range(size)})
        await store.delete_all()


async def test_batch_sizes_are_positive_numbers(store: Store) -> None:
    wrong: list[Any] = [0, -1, 1.5, "10"]
    for value in wrong:
        with pytest.raises(ConfigurationError, match="batch_size"):
            await store.delete_expired(batch_size=value)
        with pytest.raises(ConfigurationError, match="max_batches"):
            await store.delete_expired(max_batches=value)


async def test_workers_at_once_count_each_row_once(store: Store, stores: Stores) -> None:
    keys = {f"expired {number}": b"1" for number in range(200)}
    for batch_size in (7, 50, 1000):
        await store.set_many(keys, expires_in=0.001)
        await asyncio.sleep(0.01)
        workers = [stores() for _ in range(4)]
        removed = await asyncio.gather(*(worker.delete_expired(batch_size) for worker in workers))
        assert sum(removed) == len(keys)
        assert await rows(store, "namespace") == []


async def test_cleaning_up_disturbs_nobody_and_removes_nothing_that_has_come_back(store: Store, stores: Stores) -> None:
    keys = {f"key {number}": b"1" for number in range(300)}
    await store.set_many(keys, expires_in=0.001)
    await asyncio.sleep(0.01)
    cleaning = [stores() for _ in range(2)]
    values = dict.fromkeys(keys, b"2")
    await asyncio.gather(
        *(worker.delete_expired(batch_size=10) for worker in cleaning),
        *(store.set(key, value, expires_in=100) for key, value in values.items()),
        *(store.get(key, renew_for=100) for key in keys),
    )
    assert await store.get_many(keys) == values
    assert await store.delete_expired() == 0
    assert len(await rows(store, "namespace")) == 300
