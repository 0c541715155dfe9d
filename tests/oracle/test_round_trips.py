"""How often the store calls Oracle. The double counts calls of the server, which are the round trips but for what is
fetched in several parts; what the driver sends along with the next call (a commit, the end of a LOB) is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import create_store
from tests.oracle_double import Server
from tests.servers import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator

    from tests.backends import Store

KEYS = [f"key {number}" for number in range(60)]
VALUES = {key: b'{"visits": %d}' % number for number, key in enumerate(KEYS)}


@pytest.fixture
def server() -> Iterator[Server]:
    with require(Server) as server:
        yield server


@pytest.fixture(params=["bytes", "json"])
async def store(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with create_store(server.url, data_format=request.param) as store:
        await store.create_table()
        yield store


async def trips(server: Server, *calls: Awaitable[Any]) -> list[str]:
    """The first word of what each round trip sent."""
    before = len(server.trips)
    await asyncio.gather(*calls)
    return [text.split()[0] for text in server.trips[before:]]


async def test_a_batch_is_read_in_one(server: Server, store: Store) -> None:
    await store.set_many(VALUES, expires_in=1000)
    assert await trips(server, store.get(KEYS[0])) == ["SELECT"]
    assert await trips(server, *map(store.get, KEYS)) == ["SELECT"]
    assert await trips(server, store.get_many(KEYS)) == ["SELECT"]
    assert await trips(server, store.exists(KEYS[0]), store.expires_in(KEYS[1])) == ["SELECT"]


async def test_only_renewals_that_are_due_are_written(server: Server, store: Store) -> None:
    await store.set_many(VALUES, expires_in=1000)
    assert await trips(server, *(store.get(key, renew_for=1000) for key in KEYS)) == ["SELECT"]
    assert await trips(server, *(store.get(key, renew_for=2000) for key in KEYS)) == ["SELECT", "UPDATE"]
    assert await trips(server, store.renew_many(KEYS, 3000)) == ["SELECT", "UPDATE"]


async def test_what_is_set_is_read_first_and_written_if_it_differs(server: Server, store: Store) -> None:
    assert await trips(server, store.set_many(VALUES, expires_in=1000)) == ["SELECT", "INSERT"]
    assert await trips(server, store.set_many(VALUES, expires_in=1000)) == ["SELECT"]
    assert await trips(server, store.set_many(dict.fromkeys(KEYS, b"0"))) == ["SELECT", "UPDATE"]
    assert await trips(server, store.set_many({KEYS[0]: b"1", "new": b"1"})) == ["SELECT", "UPDATE", "INSERT"]


async def test_what_has_to_be_locked_takes_a_commit(server: Server, store: Store) -> None:
    assert await trips(server, *(store.increment("number") for _ in range(60))) == ["SELECT", "INSERT", "commit"]
    assert await trips(server, store.increment("number")) == ["SELECT", "UPDATE", "commit"]
    assert await trips(server, store.replace("number", b"1")) == ["UPDATE", "commit"]
    assert await trips(server, store.replace("number", b"2", expected=b"1")) == ["SELECT", "UPDATE", "commit"]


async def test_a_batch_is_deleted_in_one(server: Server, store: Store) -> None:
    await store.set_many(VALUES)
    assert await trips(server, store.delete_many(KEYS)) == ["DELETE"]


async def test_long_values_take_another_one(server: Server, store: Store) -> None:
    long = dict.fromkeys(KEYS[:3], b'"' + b"x" * 5000 + b'"')
    written = await trips(server, store.set_many({**long, "short": b"1"}))
    if store.settings.data_format == "json":
        # JSON() takes them as LOBs only.
        assert written == ["SELECT", "INSERT", *["create", "write"] * 3, "INSERT"]
    else:
        assert written == ["SELECT", "INSERT"]
    assert await trips(server, store.get_many([*long, "short"])) == ["SELECT", "SELECT"]
    assert await store.get_many([*long, "short"]) == {**long, "short": b"1"}


async def test_there_are_few_texts_to_parse(server: Server, store: Store) -> None:
    for number in range(1, 60):
        await store.get_many(KEYS[:number])
    assert len({text for text in server.trips if text.startswith("SELECT s.key")}) == 3


async def test_relaxed_commits_are_said_once_for_a_connection(server: Server) -> None:
    async with create_store(server.url, durability="relaxed") as store:
        await store.create_table()
        before = len(server.trips)
        for number in range(3):
            await store.set("key", str(number))
    written = [text for text in server.trips[before:] if not text.startswith("SELECT")]
    assert [text.split()[0] for text in written] == ["INSERT", "UPDATE", "UPDATE"]
    relaxed = "ALTER SESSION SET commit_logging = BATCH commit_wait = NOWAIT"
    assert [text for text in server.trips if text.startswith("ALTER")] == [relaxed]


async def test_a_connection_of_the_application_s_is_as_durable_as_it_was(server: Server) -> None:
    config = create_store(server.url).config
    async with create_store(config, durability="relaxed") as store:
        await store.create_table()
        await store.set("key", b"1")
    altered = [text.split()[5] for text in server.trips if text.startswith("ALTER")]
    assert altered == ["BATCH", "IMMEDIATE"] * (len(altered) // 2)
    assert altered
    await config.close_pool()
