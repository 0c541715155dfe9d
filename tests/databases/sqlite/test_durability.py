"""What is on the disk when a write is answered, and that the application's connections are left as they were."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from litestar_sqlstores import create_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.backends import Store

OFF, NORMAL, FULL, EXTRA = range(4)


class Trace:
    """The statements of all connections, and how durable the writes of a namespace were."""

    def __init__(self) -> None:
        self._statements: list[str] = []

    async def __call__(self, connection: Any) -> None:
        await connection.set_trace_callback(self._statements.append)

    def forget(self) -> None:
        self._statements.clear()

    def levels(self, namespace: str, given: int = NORMAL, verbs: tuple[str, ...] = ("INSERT",)) -> set[int]:
        """``PRAGMA synchronous`` at each write of a namespace; what SQLSpec sets, if it was not set since."""
        level, found = given, set()
        for statement in self._statements:
            if match := re.search(r"synchronous = (\d)$", statement):
                level = int(match[1])
            if statement.startswith(verbs) and (not namespace or f"'{namespace}'" in statement):
                found.add(level)
        return found


@asynccontextmanager
async def traced(folder: Path, *, given: int = NORMAL, **options: Any) -> AsyncIterator[tuple[Store, Trace]]:
    trace = Trace()
    features: Any = {"on_connection_create": trace, "pragmas": {"synchronous": given}}
    config = AiosqliteConfig(
        connection_config={"database": str(folder / "store.db"), "pool_size": 1}, driver_features=features
    )
    try:
        async with create_store(config, **options) as store:
            await store.create_table()
            yield store, trace
    finally:
        await config.close_pool()


async def write(store: Store) -> None:
    await store.set("key", b"1", expires_in=60)
    await store.set("key", b"1", keep_ttl=True, owner="ada")
    await store.increment("number")


async def test_a_write_is_on_the_disk_unless_the_setting_says_otherwise(tmp_path: Path) -> None:
    async with traced(tmp_path) as (store, trace):
        await write(store)
    assert trace.levels("LITESTAR") == {FULL}
    async with traced(tmp_path, durability="relaxed") as (store, trace):
        await write(store)
    assert trace.levels("LITESTAR") == {NORMAL}


async def test_each_namespace_is_as_durable_as_it_shall_be(tmp_path: Path) -> None:
    async with traced(tmp_path, durability={"*": "relaxed", "sessions": "full"}) as (store, trace):
        for name in ("sessions", "cache", "sessions"):
            await write(store.with_namespace(name))
            await write(store.with_namespace(name).with_namespace("child"))
    assert trace.levels("LITESTAR_cache") == trace.levels("LITESTAR_cache\x1fchild") == {NORMAL}
    assert trace.levels("LITESTAR_sessions") == trace.levels("LITESTAR_sessions\x1fchild") == {FULL}


@pytest.mark.parametrize("durability, used", [("full", FULL), ("relaxed", NORMAL)])
async def test_due_renewals_and_deletions_are_as_durable_as_sets(tmp_path: Path, durability: str, used: int) -> None:
    async with traced(tmp_path, given=OFF, durability=durability) as (store, trace):
        await store.set("key", b"1", expires_in=60)
        trace.forget()
        await store.get("key", renew_for=1000)
        await store.renew("key", 2000)
        await store.delete("key")
    assert trace.levels("", given=used, verbs=("UPDATE", "DELETE")) == {used}


@pytest.mark.parametrize(
    "given, durability, used",
    [(OFF, "full", FULL), (OFF, "relaxed", NORMAL), (EXTRA, "full", EXTRA), (EXTRA, "relaxed", NORMAL)],
)
async def test_the_application_has_its_own_setting_back(tmp_path: Path, given: int, durability: str, used: int) -> None:
    async with traced(tmp_path, given=given, durability=durability) as (store, trace):
        await write(store)
        await store.aclose()
        async with store.config.provide_connection() as connection:
            assert [tuple(row) for row in await connection.execute_fetchall("PRAGMA synchronous")] == [(given,)]
    assert trace.levels("LITESTAR", given) == {used}


async def test_the_setting_is_that_of_the_file_that_the_table_is_in(tmp_path: Path) -> None:
    async def attach(connection: Any) -> None:
        await connection.execute("ATTACH ? AS app", [str(tmp_path / "app.db")])
        await connection.execute("PRAGMA app.synchronous = OFF")

    config = AiosqliteConfig(
        connection_config={"database": str(tmp_path / "store.db")}, driver_features={"on_connection_create": attach}
    )
    async with create_store(config, table="app.sessions") as store:
        await store.create_table()
        backend = store._backend
        async with backend.connect() as connection:
            await backend.delete(connection, [b"key"])
            levels = await connection.read(
                lambda cursor: [
                    *cursor.execute("PRAGMA main.synchronous").fetchone(),
                    *cursor.execute("PRAGMA app.synchronous").fetchone(),
                ]
            )
    await config.close_pool()
    assert levels == [NORMAL, FULL]
