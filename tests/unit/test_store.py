"""What a store does before and beside the database: arguments, and what becomes of calls that it made already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from litestar_sqlstores import BaseSQLSpecStore, create_store
from litestar_sqlstores.errors import (
    ConfigurationError,
    DurationError,
    InvalidKeyError,
    InvalidValueError,
    MissingTableError,
    OverloadedError,
    StoreError,
    ValueTooLargeError,
)
from tests.unit.loops import run

Store = BaseSQLSpecStore[Any]


def on_a_store(**options: Any) -> Callable[[Callable[[Store], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Run an async test with a store on an empty database in memory."""

    def decorate(test: Callable[[Store], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def main() -> None:
            async with create_store("sqlite://", **options) as store:
                await test(store)

        def run_test() -> None:
            run(main(), asyncio.new_event_loop)

        run_test.__name__ = test.__name__
        return run_test

    return decorate


@on_a_store()
async def test_many_with_a_key_that_is_none_write_nothing(store: Store) -> None:
    await store.create_table()
    keys: list[Any] = ["a", 31337, "b"]
    with pytest.raises(InvalidKeyError, match="keys are str, not int"):
        await store.set_many(dict.fromkeys(keys, b"new"))
    assert await store.get("a") is None

    await store.set("a", b"old", 100)
    with pytest.raises(InvalidKeyError):
        await store.delete_many(keys)
    assert await store.get("a") == b"old"
    with pytest.raises(InvalidKeyError):
        await store.renew_many(keys, 10_000)
    assert (await store.expires_in("a") or 0) <= 100


@on_a_store()
async def test_many_with_a_key_that_is_none_leave_no_call_behind(store: Store) -> None:
    keys: list[Any] = ["a", None]
    for calls in (store.get_many(keys), store.get_many(keys, 10), store.renew_many(keys, 10), store.delete_many(keys)):
        with pytest.raises(InvalidKeyError):
            await calls
    # The table is missing: calls that were made fail, and nobody would look at their errors.
    with pytest.raises(MissingTableError):
        await store.get("a")


@on_a_store(max_pending=2)
async def test_many_beyond_max_pending_go_in_parts_and_leave_no_call_behind(store: Store) -> None:
    await store.create_table()
    values = dict.fromkeys("abcde", b"1")
    await store.set_many(values)
    assert await store.get_many(values) == values
    await store.delete_many(values)
    assert await store.get_many(values) == {}


@on_a_store(max_pending=2)
async def test_many_are_refused_where_others_fill_the_queue(store: Store) -> None:
    await store.create_table()
    keys = list("abcd")
    others = [asyncio.ensure_future(store.get(key)) for key in "ab"]
    await asyncio.sleep(0)
    for calls in (store.get_many(keys), store.set_many(dict.fromkeys(keys, b"")), store.delete_many(keys)):
        with pytest.raises(OverloadedError, match="max_pending"):
            await calls
    await asyncio.gather(*others)


@on_a_store()
async def test_a_caller_of_many_that_is_cancelled_leaves_no_call_behind(store: Store) -> None:
    calls = asyncio.create_task(store.get_many(["a", "b"]))
    await asyncio.sleep(0)
    calls.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls
    with pytest.raises(MissingTableError):
        await store.get("a")


@on_a_store(max_value_bytes=100, data_format="json")
async def test_arguments_are_refused_before_anything_is_asked_of_the_database(store: Store) -> None:
    # There is no table: whatever reaches the database is a MissingTableError.
    key: Any = {"not": "a key"}
    owner: Any = 31337
    cases: list[tuple[Coroutine[Any, Any, Any], type[StoreError], str]] = [
        (store.get("a", -1), DurationError, "renew_for is -1"),
        (store.get_many(["a"], float("nan")), DurationError, "renew_for is nan"),
        (store.renew("a", 0), DurationError, "renew_for is 0; give a positive number"),
        (store.renew("a", timedelta(seconds=-1)), DurationError, "renew_for is .*give a positive number"),
        (store.renew_many(["a"], 0), DurationError, "renew_for is 0"),
        (store.set("a", "1", float("inf")), DurationError, "expires_in is inf"),
        (store.set("a", "1", 10, keep_ttl=True), ConfigurationError, "keep_ttl=True keeps .* give one of them"),
        (store.set("a", "1", 0, keep_ttl=True), ConfigurationError, "keep_ttl=True"),
        (store.set_many({"a": "1"}, 10, keep_ttl=True), ConfigurationError, "keep_ttl=True"),
        (store.set("a", "no JSON"), InvalidValueError, "the value is no JSON"),
        (store.set("a", "1" * 101), ValueTooLargeError, "max_value_bytes is 100"),
        (store.set_many({"a": "1", "b": "no JSON"}), InvalidValueError, "the value is no JSON"),
        (store.set("a", key), InvalidValueError, "values are str or bytes, not dict"),
        (store.set("a", "1", owner=owner), InvalidKeyError, "an owner is a str, not int"),
        *(
            (call, InvalidKeyError, "keys are str, not dict; convert the key first")
            for call in (store.get(key), store.set(key, "1"), store.renew(key, 1), store.delete(key), store.exists(key))
        ),
        (store.delete_expired(0), ConfigurationError, "batch_size is 0; it must be a positive int"),
        (store.delete_expired(max_batches=-1), ConfigurationError, "max_batches is -1; it must be a positive int"),
    ]
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            await call


@on_a_store()
async def test_a_child_namespace_shares_everything_but_its_keys(store: Store) -> None:
    await store.create_table()
    child = store.with_namespace("child")
    assert child.namespace == "LITESTAR_child"
    assert child.with_namespace("grand").namespace == "LITESTAR_child\x1fgrand"
    assert (child.config, child.settings) == (store.config, store.settings)
    assert child.table_name == store.table_name == "litestar_session"
    await child.set("a", b"of the child")
    assert await store.get("a") is None
    assert repr(child) == "AiosqliteStore(table='litestar_session', namespace='LITESTAR_child')"
    for name in ("", "\u00e4", None):
        with pytest.raises(ConfigurationError):
            store.with_namespace(name)  # type: ignore[arg-type]


@on_a_store()
async def test_a_store_stays_open_until_the_last_one_leaves(store: Store) -> None:
    await store.create_table()
    async with store.with_namespace("child"), store:
        await store.set("a", b"value")
    assert await store.get("a") == b"value"


@on_a_store()
async def test_neither_keys_nor_values_are_in_an_error(store: Store) -> None:
    for call in (store.get("s3cr3t"), store.set("s3cr3t", b"s3cr3t", owner="s3cr3t"), store.delete("s3cr3t")):
        with pytest.raises(MissingTableError) as caught:
            await call
        assert "s3cr3t" not in repr(caught.value)
        assert "s3cr3t" not in repr(caught.value.__cause__)
