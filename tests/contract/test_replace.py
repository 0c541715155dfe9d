"""replace: a new value for what is there, and only there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import InvalidValueError, ValueTooLargeError
from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from tests.backends import Store, Stores

pytestmark = pytest.mark.about("driver", "data")


async def test_replaces_what_is_there(store: Store) -> None:
    await store.set("key", b"1", expires_in=100, owner="ada")
    assert await store.replace("key", b"2", expires_in=1000, owner="grace") is True
    assert await store.get("key") == b"2"
    assert await store.expires_in("key") == about(1000)
    assert await store.replace("key", "3") is True
    assert await store.get("key") == b"3"
    assert await store.expires_in("key") == -1
    assert [row["owner"] for row in await rows(store)] == [None]


async def test_replaces_nothing_where_nothing_is(store: Store) -> None:
    assert await store.replace("key", b"1") is False
    await store.set("key", b"1", expires_in=0.001)
    await asyncio.sleep(0.01)
    assert await store.replace("key", b"2", expires_in=100) is False
    assert await store.get("key") is None
    await store.delete("key")
    assert await store.replace("key", b"3") is False
    assert not await store.with_namespace("child").replace("key", b"1")
    assert await rows(store) == []


async def test_what_is_there_may_have_to_be_what_is_expected(store: Store) -> None:
    await store.set("key", b"1")
    assert await store.replace("key", b"2", expected=b"3") is False
    assert await store.get("key") == b"1"
    assert await store.replace("key", b"2", expected=b"1") is True
    assert await store.replace("key", b"3", expected=b"1") is False
    assert await store.get("key") == b"2"
    assert await store.replace("missing", b"3", expected=b"1") is False


@pytest.mark.formats("bytes")
async def test_what_is_expected_may_be_empty(store: Store) -> None:
    await store.set("key", b"1")
    assert await store.replace("key", b"2", expected=b"") is False
    assert await store.replace("key", b"", expected=b"1") is True
    assert await store.replace("key", b"3", expected=b"") is True
    assert await store.get("key") == b"3"


async def test_zero_or_less_removes_the_entry(store: Store) -> None:
    for duration in (0, -1):
        await store.set("key", b"1")
        assert await store.replace("key", b"2", expires_in=duration) is True
        assert await store.get("key") is None
        assert not await store.exists("key")


async def test_of_many_callers_that_expect_the_same_one_wins(store: Store, stores: Stores) -> None:
    spaces = [store, stores()]
    await store.set("key", b"0")
    for step in range(10):
        current = str(step).encode()
        answers = await asyncio.gather(
            *(spaces[caller % 2].replace("key", str(step + 1), expected=current) for caller in range(20))
        )
        assert answers.count(True) == 1
    assert await store.get("key") == b"10"


async def test_it_never_brings_back_what_was_deleted(store: Store, stores: Stores) -> None:
    other = stores()
    keys = [f"key {number}" for number in range(100)]
    await store.set_many(dict.fromkeys(keys, b"1"), expires_in=50)
    await asyncio.gather(*(call for key in keys for call in (other.replace(key, b"2"), store.delete(key))))
    assert await rows(store) == []


async def test_wrong_values_change_nothing(store: Store, stores: Stores) -> None:
    await store.set("key", b"1")
    small = stores(max_value_bytes=3)
    for value in (None, 5):
        with pytest.raises(InvalidValueError):
            await store.replace("key", value)  # type: ignore[arg-type]
    with pytest.raises(ValueTooLargeError):
        await small.replace("key", b"1234")
    assert await store.get("key") == b"1"
