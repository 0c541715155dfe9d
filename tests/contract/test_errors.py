"""Errors: of the package's own, with the driver's as the cause, and without what the table protects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import MissingTableError, StoreError, create_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.backends import Store, Stores

pytestmark = pytest.mark.about("driver")

KEY, VALUE, OWNER = "key-4f2a", '{"value": "4f2a"', "owner-4f2a"
SECRET = "4f2a"

WRONG: dict[str, Callable[[Store], Awaitable[object]]] = {
    "not bytes": lambda store: store.set(KEY, [VALUE], owner=OWNER),  # type: ignore[arg-type]
    "no JSON": lambda store: store.set(KEY, f"{VALUE} and more", owner=OWNER),
    "too large": lambda store: store.set(KEY, VALUE * 100, owner=OWNER),
    "no Unicode": lambda store: store.set(KEY, f"{VALUE}\ud800", owner=OWNER),
    "owner with a NUL": lambda store: store.set(KEY, b"1", owner=f"{OWNER}\0"),
    "owner without end": lambda store: store.set(KEY, b"1", owner=OWNER * 100_000),
    "owner of another type": lambda store: store.set(KEY, b"1", owner=OWNER.encode()),  # type: ignore[arg-type]
    "key of another type": lambda store: store.get(KEY.encode()),  # type: ignore[arg-type]
    "duration": lambda store: store.get(KEY, renew_for=-1),
    "keep_ttl": lambda store: store.set(KEY, VALUE, 10, keep_ttl=True, owner=OWNER),
    "no number": lambda store: store.increment(KEY),
}


async def test_no_error_tells_a_key_a_value_or_an_owner(store: Store, stores: Stores) -> None:
    small = stores(max_value_bytes=100)
    await store.set(KEY, b'"%s"' % VALUE.replace('"', "").encode())
    calls = [*(call(small) for call in WRONG.values()), stores(table="missing").set(KEY, b"1", owner=OWNER)]
    *answers, missing = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(missing, MissingTableError)
    for name, answer in zip((*WRONG, "missing table"), (*answers, missing), strict=True):
        if answer is None:  # not every database and format minds
            assert name in {"no JSON", "owner with a NUL", "owner without end"}
        else:
            assert isinstance(answer, StoreError), name
            assert SECRET not in f"{answer} {answer!r}", name


async def test_an_error_of_the_database_has_the_driver_s_as_its_cause(stores: Stores) -> None:
    with pytest.raises(MissingTableError) as error:
        await stores(table="missing").get("key")
    assert error.value.__cause__ is not None
    assert not isinstance(error.value.__cause__, StoreError)


@pytest.mark.parametrize(
    "url", ["sqlite:////no/such/folder/store.db", "postgresql://ada:4f2a@127.0.0.1:1/db", "mysql://ada:4f2a@host/db"]
)
async def test_no_error_tells_a_password(url: str) -> None:
    options: Any = {"timeout": 5}
    with pytest.raises(StoreError) as error:
        async with create_store(url, **options) as store:
            await store.get("key")
    assert SECRET not in f"{error.value}{error.value.__cause__}"
