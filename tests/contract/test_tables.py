"""The table: made by any number of workers at once, named as one likes, and missed with a word of advice."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ConfigurationError, MissingTableError, SchemaError
from tests.backends import quoted_table, rows
from tests.contract.helpers import ALL
from tests.contract.processes import WORKERS, create_table

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from tests.backends import Backend, Database, Store, Stores

pytestmark = pytest.mark.about("data")


async def execute(store: Store, *statements: str) -> None:
    async with store.config.provide_session() as session:
        for statement in statements:
            await session.execute_script(statement)


# -- creating


async def test_creating_again_changes_nothing(store: Store, stores: Stores) -> None:
    await store.set("key", b"1", expires_in=100)
    before = await rows(store)
    await store.create_table()
    await stores().create_table()
    assert await rows(store) == before


@pytest.mark.needs("processes")
async def test_eight_stores_may_create_at_once(store: Store, stores: Stores, backend: Backend) -> None:
    for number in range(backend.rounds):
        workers = [stores(table=f"{store.settings.table}_{number}") for _ in range(8)]
        await asyncio.gather(*(worker.create_table() for worker in workers))
        await asyncio.gather(*(worker.set(f"key {index}", b"1") for index, worker in enumerate(workers)))
        assert len(await rows(workers[0])) == 8


async def test_sixty_four_callers_may_create_at_once(stores: Stores) -> None:
    store = stores()
    await asyncio.gather(*(store.create_table() for _ in range(64)))
    await store.set("key", b"1")


@pytest.mark.needs("processes")
async def test_eight_processes_may_create_at_once(
    database: Database, data_format: str, processes: ProcessPoolExecutor, backend: Backend
) -> None:
    loop = asyncio.get_running_loop()
    for number in range(backend.rounds):
        options: dict[str, Any] = {"table": f"{database.table}_{number}", "data_format": data_format}
        start_at = time.time() + 0.1
        calls = [loop.run_in_executor(processes, create_table, database.url, options, start_at) for _ in range(WORKERS)]
        assert await asyncio.gather(*calls) == [None] * WORKERS


async def test_dropping_and_creating_again_starts_from_nothing(store: Store, stores: Stores) -> None:
    other = stores()
    await store.set("key", b"1")
    assert await other.get("key") == b"1"
    await store.drop_table()
    await store.drop_table()
    await store.create_table()
    assert await store.get("key") is None
    assert await other.get("key") is None
    await other.set("key", b"2")
    assert await store.get("key") == b"2"


# -- missing


async def test_a_missing_table_is_an_error_that_says_how_to_make_it(stores: Stores) -> None:
    store = stores()
    for name, operation in ALL.items():
        with pytest.raises(
            MissingTableError, match=rf"'{store.settings.table}'.*await store\.create_table\(\)"
        ) as error:
            await operation(store, "key")
        assert error.value.__cause__ is not None, name
    await store.create_table()
    for operation in ALL.values():
        await operation(store, "key")


async def test_a_table_that_was_dropped_is_missing(store: Store, stores: Stores) -> None:
    for operation in ALL.values():
        await operation(store, "key")
    await stores().drop_table()
    for operation in ALL.values():
        with pytest.raises(MissingTableError, match="create_table"):
            await operation(store, "key")


async def test_every_caller_in_a_statement_hears_of_the_missing_table(stores: Stores) -> None:
    store = stores()
    answers = await asyncio.gather(*(store.get(str(number)) for number in range(64)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {MissingTableError}
    assert len({id(answer) for answer in answers}) == 64  # each its own: a traceback belongs to one caller


# -- another's


async def test_a_table_of_sqlspec_is_recognised_and_left_alone(stores: Stores) -> None:
    store = stores()
    table = quoted_table(store)
    text = "STRING(255)" if store.backend.dialect == "spanner" else "VARCHAR(255)"
    await execute(
        store,
        f"CREATE TABLE {table} (session_id {text} PRIMARY KEY, data {text} NOT NULL, expires_at TIMESTAMP)",
        f"INSERT INTO {table} (session_id, data) VALUES ('id', 'data')",
    )
    before = await rows(store)
    with pytest.raises(SchemaError, match=f"'{store.settings.table}' is no table of litestar-sqlstores") as error:
        await store.create_table()
    assert not isinstance(error.value, MissingTableError)
    assert "it is a table of SQLSpec's own session store" in str(error.value)
    assert error.value.__cause__ is not None
    for operation in ALL.values():
        with pytest.raises(SchemaError, match="another table"):
            await operation(store, "key")
    assert await rows(store) == before


@pytest.mark.needs("json")
async def test_data_of_the_other_format_is_recognised_and_left_alone(
    store: Store, stores: Stores, data_format: str
) -> None:
    await store.set("key", b"1", expires_in=100)
    before = await rows(store)
    other = "json" if data_format == "bytes" else "bytes"
    with pytest.raises(SchemaError, match=f"data_format='{other}'"):
        await stores(data_format=other).create_table()
    assert await rows(store) == before
    assert await store.get("key") == b"1"


@pytest.mark.needs("json")
async def test_a_table_may_be_made_anew_in_the_other_format(store: Store, stores: Stores, data_format: str) -> None:
    await store.set("key", b"1")
    other = stores(data_format="json" if data_format == "bytes" else "bytes")
    await other.drop_table()
    await other.create_table()
    await other.set("key", b'{"a": 1}', expires_in=10)
    assert await other.get("key", renew_for=100) in (b'{"a": 1}', b'{"a":1}')
    assert await other.delete_expired() == 0


# -- names


async def test_a_table_may_have_any_name(store: Store, stores: Stores, backend: Backend) -> None:
    for name in (
        "order",
        "user",
        "select",
        "MixedCase",
        "t" * 48,
        *(["_"] if "any name" in backend.capabilities else []),
    ):
        named = stores.on(store.config, table=name)
        async with named:
            await named.create_table()
            for operation in ALL.values():
                await operation(named, "key")
            await named.set("key", b"1", expires_in=100)
            assert await named.get("key", renew_for=200) == b"1"
            assert len(await rows(named)) >= 1
            await named.drop_table()
            with pytest.raises(MissingTableError, match=f"'{name}'"):
                await named.get("key")


@pytest.mark.needs("schemas")
async def test_a_table_may_be_in_a_schema(store: Store, stores: Stores) -> None:
    elsewhere = stores(table=f"{stores.database.schema}.{store.settings.table}")
    with pytest.raises(MissingTableError, match=stores.database.schema):
        await elsewhere.get("key")
    await elsewhere.create_table()
    await elsewhere.create_table()
    for operation in ALL.values():
        await operation(elsewhere, "key")
    await elsewhere.set("key", b"2", expires_in=100)
    assert await elsewhere.get("key") == b"2"
    assert await store.get("key") is None
    await elsewhere.drop_table()
    await store.set("key", b"1")


@pytest.mark.needs("schemas")
async def test_a_missing_schema_is_named(stores: Stores) -> None:
    store = stores(table="no_such_schema.sessions")
    with pytest.raises(SchemaError, match="no_such_schema"):
        await store.get("key")
    # To create the table is no advice to somebody who does just that.
    with pytest.raises(SchemaError, match=r"(?s)^(?!.*create_table)"):
        await store.create_table()


async def test_what_is_no_name_is_refused(stores: Stores) -> None:
    names = ["", " ", "a b", "a;b", 'a"b', "a'b", "a`b", "a.b.c", ".a", "a.", "1a", "é", "t" * 49, "a-b", "a\0", "a\n"]
    for name in (*names, None, 5):
        with pytest.raises(ConfigurationError, match="table"):
            stores(table=name)
