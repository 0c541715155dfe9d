"""SQLite has one writer at a time: who only reads does not wait for it, and who has waited sees what it has written."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ConflictError, StoreTimeoutError, create_store
from litestar_sqlstores.backends.records import Due, Renewal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.backends import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with create_store(f"sqlite:///{tmp_path}/store.db", timeout=5) as store:
        await store.create_table()
        yield store


@pytest.fixture
def other(store: Store, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
        yield connection


async def test_a_read_whose_renewal_is_not_due_does_not_wait_for_who_writes(
    store: Store, other: sqlite3.Connection
) -> None:
    await store.set("key", b"1", expires_in=1000)
    other.execute("BEGIN IMMEDIATE")
    # As long as the other one writes; the store would wait for five seconds.
    async with asyncio.timeout(4):
        assert await store.get("key", renew_for=1000) == b"1"
        assert await store.get_many(["key", "none"], renew_for=1000) == {"key": b"1"}
        assert await store.get("none", renew_for=1000) is None
    other.execute("COMMIT")


async def test_nor_for_writes_of_its_own_store(store: Store, other: sqlite3.Connection) -> None:
    await store.set("key", b"1", expires_in=1000)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.gather(*(store.set(f"{number}", b"1") for number in range(100)))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(4):
        assert await asyncio.gather(*(store.get("key", renew_for=1000) for _ in range(100))) == [b"1"] * 100
    assert not writing.done()
    other.execute("COMMIT")
    await writing


async def test_a_read_whose_renewal_is_due_waits_and_ends_in_time(store: Store, other: sqlite3.Connection) -> None:
    await store.set_many({"due": b"1", "fresh": b"2"}, expires_in=1000)
    await store.renew("due", 100)
    other.execute("BEGIN IMMEDIATE")
    fresh, due = (asyncio.ensure_future(store.get(key, renew_for=1000)) for key in ("fresh", "due"))
    # They travel together, and one is answered.
    assert await fresh == b"2"
    await asyncio.sleep(0.05)
    assert not due.done()
    other.execute("COMMIT")
    assert await due == b"1"
    assert (await store.expires_in("due") or 0) > 900


async def test_what_expires_while_a_renewal_waits_stays_expired(store: Store, other: sqlite3.Connection) -> None:
    await store.set("key", b"1", expires_in=0.3)
    other.execute("BEGIN IMMEDIATE")
    getting: list[asyncio.Future[Any]] = [asyncio.ensure_future(store.get("key", renew_for=1000))]
    getting.append(asyncio.ensure_future(store.renew("key", 1000)))
    await asyncio.sleep(0.4)
    assert await store.get("key") is None
    other.execute("COMMIT")
    assert [await each for each in getting] == [None, False]
    assert await store.get("key") is None


async def test_a_renewal_that_waited_gives_what_is_there_then(store: Store) -> None:
    """What others wrote between the read and the renewal: another value, another expiry, nothing."""
    await store.set_many({"new": b"2", "later": b"1", "same": b"1"}, expires_in=100)
    await store.renew("later", 5000)
    backend, digests = store._backend, {store.digest(key): key for key in ("new", "later", "same", "gone")}
    async with backend.connect() as connection:
        [[same]] = await connection.read(
            lambda cursor: cursor.execute(
                "SELECT expires_at FROM litestar_session WHERE key_digest = ?", [store.digest("same")]
            ).fetchall()
        )
        due = {digest: Due(Renewal(5_000_000, 50_000), same if key == "same" else 0) for digest, key in digests.items()}
        found, written, *_ = await backend.renew_due(connection, due)
    assert {digests[digest]: data for digest, data in found.items()} == {"new": b"2", "later": b"1", "same": b"1"}
    assert written == 2
    for key in ("new", "later", "same"):
        assert (await store.expires_in(key) or 0) > 4900


async def test_who_waits_too_long_for_the_writer_is_told(tmp_path: Path) -> None:
    async with create_store(f"sqlite:///{tmp_path}/store.db", timeout=0.3) as store:
        await store.create_table()
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for call in (store.set("key", b"1"), store.increment("number"), store.delete_expired()):
                async with asyncio.timeout(3):
                    with pytest.raises((StoreTimeoutError, ConflictError)):
                        await call
            other.execute("COMMIT")
        # What was given up has not been written behind its caller's back.
        await asyncio.sleep(0.1)
        assert await store.get_many(["key", "number"]) == {}
        await store.set("key", b"2")
        assert await store.get("key") == b"2"
