"""The table from `litestar db upgrade`: the same as a fresh one, and no table of SQLSpec's in its place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar
from sqlspec.base import SQLSpec
from sqlspec.extensions.litestar import SQLSpecPlugin
from sqlspec.migrations.context import MigrationContext

from litestar_sqlstores import SQLStoresPlugin, create_store
from litestar_sqlstores.errors import ConfigurationError, MissingTableError, SchemaError
from litestar_sqlstores.migrations import MIGRATIONS, create_statements, drop_statements, register_migrations
from tests.contract.helpers import ALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.backends import Backend, Database, Store

# SQLSpec's own tables of versions are made by PL/SQL, which the double of Oracle does not know.
run_by_sqlspec = pytest.mark.needs("processes")


@pytest.fixture
async def config(database: Database, data_format: str, tmp_path: Path) -> AsyncIterator[Any]:
    plain = database.new_config(5)
    made = type(plain)(
        connection_config=dict(plain.connection_config),
        extension_config={"litestar_sqlstores": {"table": database.table, "data_format": data_format}},
        migration_config={
            "script_location": str(tmp_path / "migrations"),
            "version_table_name": f"{database.table}_versions",
        },
    )
    yield made
    await made.close_pool()


async def shape(store: Store) -> Any:
    found = await store._submit_alone(store._operations.table_shape)
    table = store.settings.table
    return found._replace(indexes={name.removeprefix(table) for name in found.indexes if "autoindex" not in name})


async def upgrade(config: Any) -> None:
    await config.migrate_up(use_logger=True)


@run_by_sqlspec
@pytest.mark.filterwarnings("ignore:Table '.*_versions' already exists")  # SQLSpec's own
async def test_a_migrated_table_is_as_a_fresh_one_and_goes_with_a_downgrade(
    config: Any, database: Database, data_format: str
) -> None:
    register_migrations(config)
    await upgrade(config)
    store = create_store(config)
    assert await store.schema_difference() == []
    options: Any = {"table": f"{database.table}_fresh", "data_format": data_format}
    fresh = create_store(config, **options)
    await fresh.create_table()
    assert await shape(store) == await shape(fresh)
    for operation in ALL.values():
        await operation(store, "key")
    await upgrade(config)
    await config.migrate_down(revision="base", use_logger=True)
    with pytest.raises(MissingTableError):
        await store.get("key")
    await fresh.aclose()
    await store.aclose()


@pytest.mark.about("data")
async def test_the_statements_of_a_migration_make_and_drop_the_table(config: Any, database: Database) -> None:
    """One by one, as SQLSpec runs them."""
    context, store = MigrationContext(config=config), create_store(config)
    for _ in range(2):
        await run(config, await create_statements(context))
        assert await store.schema_difference() == []
    for operation in ALL.values():
        await operation(store, "key")
    await run(config, await drop_statements(context))
    with pytest.raises(MissingTableError):
        await store.get("key")
    await store.aclose()


async def run(config: Any, statements: list[str]) -> None:
    async with config.provide_session() as session:
        for statement in statements:
            await session.execute_script(statement)
        await session.commit()


@run_by_sqlspec
async def test_a_table_that_is_there_stays(config: Any) -> None:
    store = create_store(config)
    await store.create_table()
    await store.set("key", b"1")
    register_migrations(config)
    await upgrade(config)
    assert await store.get("key") == b"1"
    await store.aclose()


@run_by_sqlspec
@pytest.mark.formats("bytes")
async def test_sqlspecs_own_migration_of_that_table_is_left_out(config: Any, database: Database) -> None:
    del config.extension_config["litestar_sqlstores"]["table"]
    config.extension_config["litestar"] = {"session_table": database.table}
    config.set_migration_config(dict(config.migration_config))
    assert config.migration_config["include_extensions"] == ["litestar"]
    register_migrations(config)
    assert config.migration_config["include_extensions"] == ["litestar_sqlstores"]
    await upgrade(config)
    store = create_store(config)
    assert store.settings.table == database.table
    assert await store.schema_difference() == []
    await store.aclose()


@run_by_sqlspec
@pytest.mark.formats("bytes")
async def test_a_table_of_sqlspecs_migration_is_refused_with_what_to_do(
    config: Any, database: Database, backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    if backend.name in {"mariadb", "mariadb-asyncmy", "spanner"}:
        pytest.skip("SQLSpec's own migration makes no table here")
    # Both are named by hand, as who has not read the documentation may do.
    del config.extension_config["litestar_sqlstores"]["table"]
    config.extension_config["litestar"] = {"session_table": database.table}
    config.extension_config["litestar_sqlstores"]["migrations_path"] = MIGRATIONS
    config.set_migration_config(dict(config.migration_config))
    await config.migrate_up()
    printed = " ".join(capsys.readouterr().out.split())
    assert "it is a table of SQLSpec's own session store. Give this store another table" in printed
    assert "migration_config={'exclude_extensions': ['litestar']}" in printed
    store = create_store(config)
    with pytest.raises(SchemaError, match="SQLSpec's own session store"):
        await store.check_table()
    await store.aclose()


@run_by_sqlspec
@pytest.mark.formats("bytes")
async def test_another_table_of_sqlspec_is_its_own_business(config: Any) -> None:
    config.extension_config["litestar"] = {"session_table": "theirs"}
    config.set_migration_config(dict(config.migration_config))
    register_migrations(config)
    assert config.migration_config["include_extensions"] == ["litestar", "litestar_sqlstores"]


@run_by_sqlspec
@pytest.mark.formats("bytes")
async def test_the_plugin_registers_them_with_its_own_options(config: Any, database: Database) -> None:
    config.extension_config.clear()
    sqlspec = SQLSpec()
    sqlspec.add_config(config)
    plugin = SQLStoresPlugin(migrations=True, create_table="check", table=database.table, data_format="json")
    Litestar([], plugins=[SQLSpecPlugin(sqlspec), plugin])
    assert config.extension_config["litestar_sqlstores"] == {
        "table": database.table,
        "data_format": "json",
        "migrations_path": MIGRATIONS,
    }
    await upgrade(config)
    assert await plugin.store.schema_difference() == []
    await plugin.store.aclose()
    await asyncio.sleep(0)


def test_a_url_has_no_migrations() -> None:
    with pytest.raises(ConfigurationError, match="want a config of SQLSpec, not str"):
        SQLStoresPlugin("sqlite://", migrations=True)
