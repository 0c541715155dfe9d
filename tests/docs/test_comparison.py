"""What docs/comparison.md says of others, seen with them: if one of them changes, a row has to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from litestar.stores.redis import RedisStore
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from benchmarks.peers import PEERS
from benchmarks.servers import Servers
from litestar_sqlstores import MissingTableError
from tests.servers import require

if TYPE_CHECKING:
    from litestar.stores.base import Store

OURS, REDIS, SQLSPEC, ALCHEMY = NAMES = (
    "ours on PostgreSQL",
    "Litestar RedisStore",
    "SQLSpec AsyncpgStore",
    "advanced-alchemy, asyncpg",
)
TABLES = {OURS: "litestar_session", SQLSPEC: "litestar_session", ALCHEMY: "benchmark_session"}
LONG = Random(1).randbytes(3000).hex()
"""The index compresses what repeats itself."""
ID = "the id of a session, as a browser has it"


@pytest.fixture(scope="module")
def places() -> Iterator[Mapping[str, str]]:
    """Where each of them keeps things."""
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())

        yield {name: require(partial(PEERS[name].place, servers)) for name in NAMES}


@pytest.fixture
async def stores(places: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(PEERS[name].open(place)) for name, place in places.items()}


@pytest.fixture
async def stored(places: Mapping[str, str]) -> AsyncIterator[Callable[..., Any]]:
    """What PostgreSQL has in the table of a store."""
    async with AsyncExitStack() as stack:

        async def select(name: str, columns: str = "*") -> list[Any]:
            connection = await connect(places[name])
            stack.push_async_callback(connection.close)
            return [tuple(row) for row in await connection.fetch(f"SELECT {columns} FROM {TABLES[name]}")]

        yield select


async def connect(place: str) -> Any:
    return await asyncpg.connect(place.replace("+asyncpg", ""))


async def outcome(call: Any) -> object:
    try:
        return await call
    except (asyncpg.PostgresError, DBAPIError, RedisError) as error:
        return type(error)


async def outcomes(stores: Mapping[str, Any], call: Callable[[Store], Any]) -> dict[str, object]:
    return {name: await outcome(call(store)) for name, store in stores.items()}


async def test_a_session_id_is_stored(
    stores: Mapping[str, Any], stored: Callable[..., Any], places: Mapping[str, str]
) -> None:
    await outcomes(stores, lambda store: store.set(ID, b"1", 100))
    known = {name: ID in str(await stored(name)) for name in TABLES}
    async with Redis.from_url(places[REDIS]) as redis:
        known[REDIS] = ID in str(await redis.keys())
    assert known == {OURS: False, REDIS: True, SQLSPEC: True, ALCHEMY: True}


async def test_what_writes(stores: Mapping[str, Any], stored: Callable[..., Any]) -> None:
    await outcomes(stores, lambda store: store.delete_all())
    await outcomes(stores, lambda store: store.set("key", b"1", 1000))

    async def writes(call: Callable[[Store], Any]) -> dict[str, bool]:
        before = {name: await stored(name, "xmin::text") for name in TABLES}
        await outcomes(stores, call)
        return {name: await stored(name, "xmin::text") != before[name] for name in TABLES}

    assert await writes(lambda store: store.get("key")) == dict.fromkeys(TABLES, False)
    assert await writes(lambda store: store.get("key", renew_for=1001)) == {OURS: False, SQLSPEC: True, ALCHEMY: True}
    assert await writes(lambda store: store.set("key", b"1", 1001)) == {OURS: False, SQLSPEC: True, ALCHEMY: True}


async def test_expires_in_of_zero_or_less(stores: Mapping[str, Any]) -> None:
    for seconds in (0, -5):
        await outcomes(stores, lambda store: store.delete("key"))
        sets = await outcomes(stores, lambda store, seconds=seconds: store.set("key", b"1", seconds))  # type: ignore[misc]
        assert (sets[OURS], sets[SQLSPEC], sets[ALCHEMY]) == (None, None, None)
        assert issubclass(sets[REDIS], RedisError)  # type: ignore[arg-type]
        found = await outcomes(stores, lambda store: store.get("key"))
        assert found == {OURS: None, REDIS: None, SQLSPEC: b"1", ALCHEMY: None}


async def test_a_value_without_an_expiry(stores: Mapping[str, Any]) -> None:
    await outcomes(stores, lambda store: store.set("for good", b"1"))
    found = await outcomes(stores, lambda store: store.get("for good"))
    assert found == {OURS: b"1", REDIS: b"1", SQLSPEC: b"1", ALCHEMY: None}


async def test_renew_for_of_whole_days(stores: Mapping[str, Any]) -> None:
    await outcomes(stores, lambda store: store.set("key", b"1", 100))
    await outcomes(stores, lambda store: store.get("key", renew_for=timedelta(days=2)))
    assert await outcomes(stores, lambda store: store.get("key")) == dict.fromkeys(NAMES, b"1") | {REDIS: None}


async def test_a_key_with_a_nul_and_a_long_one(stores: Mapping[str, Any]) -> None:
    for key, refused in (("a\0b", {SQLSPEC, ALCHEMY}), (LONG, {SQLSPEC, ALCHEMY})):
        await outcomes(stores, lambda store, key=key: store.set(key, b"1", 100))  # type: ignore[misc]
        found = await outcomes(stores, lambda store, key=key: store.get(key))  # type: ignore[misc]
        assert {name for name, value in found.items() if value != b"1"} == refused


async def test_clearing_the_cache(stores: Mapping[str, Any]) -> None:
    # SQLSpec's has no namespaces: what Litestar's registry hands out is the store itself.
    spaces = {name: getattr(store, "with_namespace", lambda _, store=store: store) for name, store in stores.items()}
    await outcomes({name: space("sessions") for name, space in spaces.items()}, lambda each: each.set("key", b"1", 100))
    await outcomes({name: space("cache") for name, space in spaces.items()}, lambda each: each.delete_all())
    left = await outcomes({name: space("sessions") for name, space in spaces.items()}, lambda each: each.get("key"))
    assert left == dict.fromkeys(NAMES, b"1") | {SQLSPEC: None}


async def test_a_missing_table(stores: Mapping[str, Any], places: Mapping[str, str]) -> None:
    for name, table in TABLES.items():
        connection = await connect(places[name])
        await connection.execute(f"DROP TABLE {table}")
        await connection.close()
    with pytest.raises(MissingTableError, match="create_table"):
        await stores[OURS].get("key")
    assert await stores[SQLSPEC].get("key") is None
    with pytest.raises(DBAPIError):
        await stores[ALCHEMY].get("key")


def test_what_the_others_have_not() -> None:
    for name in ("increment", "list_owned", "delete_owned"):
        assert not hasattr(RedisStore, name)
