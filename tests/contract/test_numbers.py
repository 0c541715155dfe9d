"""increment: numbers that any number of callers and processes add to at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import DurationError, InvalidKeyError, InvalidValueError
from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from tests.backends import Backend, Store, Stores

pytestmark = pytest.mark.about("driver", "data")


async def test_counts_from_zero(store: Store) -> None:
    assert await store.increment("key") == 1
    assert await store.increment("key", 10) == 11
    assert await store.increment("key", -20) == -9
    assert await store.increment("key", 0) == -9
    assert await store.get_number("key") == -9
    assert await store.expires_in("key") == -1


@pytest.mark.needs("adds to values")
async def test_is_read_as_a_value_where_none_is_encrypted(store: Store) -> None:
    await store.increment("key", -9)
    assert await store.get("key") == b"-9"
    await store.set_many({"text": b'"text"', "number": b"12"})
    assert await store.get_number("number") == 12
    with pytest.raises(InvalidValueError, match="no number"):
        await store.get_number("text")


async def test_only_the_first_increment_sets_the_expiry(store: Store) -> None:
    assert await store.increment("key", expires_in=100) == 1
    assert await store.increment("key", expires_in=1000) == 2
    assert await store.increment("key") == 3
    assert await store.expires_in("key") == about(100)


@pytest.mark.needs("adds to values")
async def test_adds_to_a_number_that_was_set(store: Store) -> None:
    await store.set("permanent", b"5")
    assert await store.increment("permanent", expires_in=10) == 6
    assert await store.expires_in("permanent") == -1


async def test_what_has_expired_counts_from_zero_again(store: Store) -> None:
    await store.set("key", b'"no number"', expires_in=0.001, owner="ada")
    assert await store.increment("number", 5, expires_in=0.001) == 5
    await asyncio.sleep(0.01)
    assert await store.increment("key", expires_in=100) == 1
    assert await store.increment("number", 2, expires_in=100) == 2
    assert await store.expires_in("key") == about(100)
    assert [row["owner"] for row in await rows(store)] == [None, None]


async def test_every_caller_gets_a_number_of_its_own(store: Store, stores: Stores) -> None:
    spaces = [store, stores()]
    answers = await asyncio.gather(*(spaces[number % 2].increment("key") for number in range(200)))
    assert sorted(answers) == list(range(1, 201))
    assert await store.get_number("key") == 200


async def test_callers_of_one_store_count_in_the_order_of_their_calls(store: Store) -> None:
    amounts = [number % 7 - 3 for number in range(100)]
    answers = await asyncio.gather(*(store.increment("key", amount) for amount in amounts))
    assert answers == [sum(amounts[: number + 1]) for number in range(100)]


async def test_numbers_are_apart_by_key_and_namespace(store: Store) -> None:
    child = store.with_namespace("child")
    await asyncio.gather(*(space.increment(key, 3) for space in (store, child) for key in "abc" for _ in range(10)))
    for space in (store, child):
        assert [await space.get_number(key) for key in "abc"] == [30, 30, 30]
    assert {row["namespace"] for row in await rows(store)} == {"LITESTAR", "LITESTAR_child"}


async def test_what_is_no_number_is_refused_alone_and_stays(store: Store, backend: Backend) -> None:
    values = [b'"a"', b"1.5", b'"1"', b"[]", b"null", b"true"]
    if store.settings.data_format == "bytes" or "any number" in backend.capabilities:
        values.append(b"99999999999999999999")
    await store.set_many({f"bad {number}": value for number, value in enumerate(values)}, expires_in=100)
    keys = [f"{kind} {number}" for number in range(len(values)) for kind in ("good", "bad")]
    answers = await asyncio.gather(*(store.increment(key) for key in keys), return_exceptions=True)
    assert answers[::2] == [1] * len(values)
    assert {type(answer) for answer in answers[1::2]} == {InvalidValueError}
    assert list((await store.get_many(key for key in keys if key.startswith("bad"))).values()) == values


async def test_a_number_that_would_be_too_large_is_refused_and_stays(store: Store) -> None:
    for start, by in ((2**63 - 1, 1), (-(2**63), -1), (2**62, 2**62)):
        assert await store.increment(f"from {start}", start) == start
        with pytest.raises(InvalidValueError):
            await store.increment(f"from {start}", by)
        assert await store.get_number(f"from {start}") == start


async def test_amounts_that_are_too_large_together_are_added_one_by_one(store: Store) -> None:
    largest = 2**63 - 1
    calls = [store.increment("key", amount) for amount in (largest, -largest, largest, largest)]
    *answers, last = await asyncio.gather(*calls, return_exceptions=True)
    assert answers == [largest, 0, largest]
    assert isinstance(last, InvalidValueError)
    assert await store.get_number("key") == largest


async def test_wrong_arguments_change_nothing(store: Store) -> None:
    await store.increment("key", 5)
    amounts: list[Any] = [2**63, -(2**63) - 1, 1.0, "1", None, True]
    for amount in amounts:
        with pytest.raises(InvalidValueError, match="64 bits"):
            await store.increment("key", amount)
    for duration in (0, -1):
        with pytest.raises(DurationError, match="positive"):
            await store.increment("key", expires_in=duration)
    with pytest.raises(InvalidKeyError):
        await store.increment(5)  # type: ignore[arg-type]
    assert await store.get_number("key") == 5
