"""The table beside what it should be: differences are told, and what is newer or older is refused, or served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import MissingTableError, SchemaError
from tests.backends import quoted_table, rows
from tests.contract.helpers import ALL
from tests.contract.test_tables import execute

if TYPE_CHECKING:
    from tests.backends import Store, Stores

NEW_COLUMN = {"oracle": "ADD note VARCHAR2(10 CHAR)", "spanner": "ADD COLUMN note STRING(10)"}


async def test_a_fresh_table_is_as_it_should_be(store: Store) -> None:
    assert await store.schema_difference() == []
    await store.check_table()


async def test_a_missing_table_has_no_difference(stores: Stores) -> None:
    store = stores()
    with pytest.raises(MissingTableError):
        await store.schema_difference()


async def test_an_older_table_is_refused_with_what_to_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.set("key", b"1")
    before = await rows(store, "key_digest, data")
    for module in ("schema", "store.schema"):
        monkeypatch.setattr(f"litestar_sqlstores.{module}.SCHEMA_VERSION", 2)
    assert await store.schema_difference() == ["it has version 1"]
    for call in (store.check_table, store.create_table):
        with pytest.raises(SchemaError, match=r"version 2 of the schema: it has version 1\. .*litestar db upgrade"):
            await call()
    assert await rows(store, "key_digest, data") == before


@pytest.mark.parametrize("serves, works", [(1, True), (2, False)])
async def test_a_newer_table_is_served_if_it_serves_this_code_and_refused_if_not(
    store: Store, stores: Stores, monkeypatch: pytest.MonkeyPatch, serves: int, works: bool
) -> None:
    """A release that adds a nullable column: its table is there before the last worker knows of it."""
    with monkeypatch.context() as patch:
        patch.setattr(
            "litestar_sqlstores.statements.schema_mark",
            lambda separator: f"litestar_sqlstores schema 2 from {serves}".replace(" ", separator),
        )
        newer = stores.on(store.config, table=f"{store.settings.table}_for_{serves}")
        if works:
            await newer.create_table()
        else:
            with pytest.raises(SchemaError):
                await newer.create_table()
    table = quoted_table(newer)
    await execute(newer, f"ALTER TABLE {table} {NEW_COLUMN.get(newer.backend.dialect, 'ADD COLUMN note VARCHAR(10)')}")
    if works:
        assert await newer.schema_difference() == []
        await newer.create_table()
        for operation in ALL.values():
            await operation(newer, "key")
        return
    before = await rows(newer, "key_digest")
    assert await newer.schema_difference() == ["it has version 2, which serves code that knows version 2"]
    for call in (newer.check_table, newer.create_table):
        with pytest.raises(SchemaError, match="Update litestar-sqlstores, or give the store another table"):
            await call()
    assert await rows(newer, "key_digest") == before


async def test_a_missing_index_is_told_and_added(store: Store) -> None:
    index = f"{store.settings.table}_owner"
    quoted = f"{store.backend.quote}{index}{store.backend.quote}"
    is_mysql = store.backend.dialect == "mysql"
    await execute(store, f"DROP INDEX {quoted}{f' ON {quoted_table(store)}' if is_mysql else ''}")
    assert await store.schema_difference() == [f"index {index} is missing"]
    with pytest.raises(SchemaError, match=rf"index {index} is missing; `await store\.create_table\(\)` adds it"):
        await store.check_table()
    if is_mysql:
        with pytest.raises(SchemaError, match="want CREATE INDEX"):
            await store.create_table()
    else:
        await store.create_table()
        assert await store.schema_difference() == []


@pytest.mark.needs("json")
async def test_the_other_format_is_told(store: Store, stores: Stores, data_format: str) -> None:
    other = stores.on(store.config, data_format="json" if data_format == "bytes" else "bytes")
    [difference] = await other.schema_difference()
    assert "data" in difference
