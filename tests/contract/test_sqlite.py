"""What of the contract is about SQLite alone: memory, attached files, and settings that applications make."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from litestar_sqlstores import ConfigurationError, MissingTableError, create_store
from litestar_sqlstores.schema import Column, declared_shape, differences
from tests.backends import rows
from tests.contract.helpers import ALL, about

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from litestar_sqlstores.values import DataFormat
    from tests.backends import Store


@pytest.fixture(params=["bytes", "json"])
def data_format(request: pytest.FixtureRequest) -> DataFormat:
    data_format: DataFormat = request.param
    return data_format


@asynccontextmanager
async def opened(config: AiosqliteConfig, **options: Any) -> AsyncIterator[Store]:
    try:
        async with create_store(config, **options) as store:
            yield store
    finally:
        await config.close_pool()


async def check(store: Store) -> None:
    """That a store does what it should, for many callers at once."""
    await store.create_table()
    await store.create_table()
    for operation in ALL.values():
        await operation(store, "key")
    await store.delete_all()

    async def caller(number: int) -> None:
        for step in range(5):
            await store.set(f"{number}", f'"{step}"', expires_in=100, owner="ada")
            assert await store.get(f"{number}", renew_for=200 + step * 10) == f'"{step}"'.encode()
            assert await store.expires_in(f"{number}") == about(200 + step * 10)
            assert await store.increment("together") > 0

    await asyncio.gather(*map(caller, range(64)))
    assert await store.get("together") == b"320"
    await store.set_many({"a": b"1", "b": b"1"}, expires_in=0.001)
    await asyncio.sleep(0.01)
    assert await store.delete_expired() == 2
    assert len(await store.get_many(map(str, range(64)))) == 64
    await store.delete_all()
    assert await rows(store) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+aiosqlite://"])
async def test_memory_serves_sixty_four_callers(url: str, data_format: DataFormat) -> None:
    async with create_store(url, data_format=data_format) as store, create_store(url) as other:
        await check(store)
        # Each has a memory of its own, and it lasts while nobody uses it.
        with pytest.raises(MissingTableError):
            await other.get("key")
        await store.set("key", b"1")
        await asyncio.sleep(0.2)
        assert await store.get("key") == b"1"


@pytest.mark.parametrize(
    "connection_config, driver_features",
    [
        pytest.param({"isolation_level": None}, {}, id="autocommit"),
        pytest.param({"isolation_level": "EXCLUSIVE"}, {}, id="exclusive transactions"),
        pytest.param({"detect_types": sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES}, {}, id="types by name"),
        pytest.param({"enable_optimizations": False}, {}, id="no WAL"),
        pytest.param({"pool_size": 1}, {}, id="one connection"),
        pytest.param({"cached_statements": 0}, {}, id="no statement cache"),
        pytest.param({"enable_foreign_keys": True}, {}, id="foreign keys"),
        pytest.param({}, {"row_factory": "dict"}, id="rows are dicts"),
        pytest.param({}, {"row_factory": "row"}, id="rows are rows"),
        pytest.param({}, {"text_factory": bytes}, id="text is bytes"),
        pytest.param({}, {"enable_custom_adapters": True}, id="adapters"),
        # With one connection: SQLSpec cannot open another while somebody writes, as each sets the mode anew.
        pytest.param({"pool_size": 1}, {"pragmas": {"journal_mode": "DELETE", "synchronous": "OFF"}}, id="a journal"),
    ],
)
async def test_the_settings_of_the_application_do_not_matter(
    tmp_path: Path, data_format: DataFormat, connection_config: Any, driver_features: Any
) -> None:
    config = AiosqliteConfig(
        connection_config={"database": str(tmp_path / "store.db"), **connection_config}, driver_features=driver_features
    )
    async with opened(config, data_format=data_format) as store:
        await check(store)


async def test_a_table_may_be_in_an_attached_file(tmp_path: Path, data_format: DataFormat) -> None:
    async def attach(connection: Any) -> None:
        await connection.execute("ATTACH ? AS app", [str(tmp_path / "app.db")])

    config = AiosqliteConfig(
        connection_config={"database": str(tmp_path / "store.db")}, driver_features={"on_connection_create": attach}
    )
    async with opened(config, data_format=data_format, table="app.sessions") as store:
        await check(store)
    with sqlite3.connect(tmp_path / "app.db") as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    connection.close()


async def test_a_file_that_is_not_attached_is_missing(tmp_path: Path) -> None:
    async with opened(
        AiosqliteConfig(connection_config={"database": str(tmp_path / "store.db")}), table="app.x"
    ) as store:
        with pytest.raises(MissingTableError, match=r"'app\.x'"):
            await store.get("key")


async def test_the_application_may_change_the_table_meanwhile(tmp_path: Path) -> None:
    async with opened(AiosqliteConfig(connection_config={"database": str(tmp_path / "store.db")})) as store:
        await store.create_table()
        await store.set("key", b"1", expires_in=100)
        async with store.config.provide_session() as session:
            await session.execute_script("ALTER TABLE litestar_session ADD COLUMN note TEXT DEFAULT 'none'")
            await session.execute_script("CREATE INDEX notes ON litestar_session (note)")
        for operation in ALL.values():
            await operation(store, "key")


async def test_urls_name_the_file_as_sqlalchemy_s_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, file in (
        ("sqlite:///relative.db", "relative.db"),
        (f"sqlite:///{tmp_path}/absolute.db", "absolute.db"),
        ("sqlite+aiosqlite:///with%20space%25.db", "with space%.db"),
    ):
        async with create_store(url) as store:
            await store.create_table()
            await store.set("key", b"1")
        assert (tmp_path / file).stat().st_size > 0


@pytest.mark.parametrize("told", ["INTEGER", "INTEGER GENERATED ALWAYS"])
async def test_the_type_of_a_generated_column_is_known_however_it_is_told(told: str) -> None:
    # The second is what SQLite tells before 3.37; a table was refused for it each time that an application started.
    async with create_store("sqlite://") as store:
        await store.create_table()
        backend = store._backend
        async with backend.connect() as connection:
            shape = await backend.table_shape(connection)
        columns = {**shape.columns, "expiry_bucket": Column(told)}
        expected = declared_shape(backend.sql["create_table"])
        assert differences(expected, shape._replace(columns=columns), backend.normal_type).wrong == []


async def test_a_library_that_is_too_old_is_refused_at_the_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with create_store(f"sqlite:///{tmp_path}/store.db") as store:
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
            for call in (store.create_table(), store.get("key")):
                with pytest.raises(ConfigurationError, match=r"which is too old; this store needs 3\.35 or later"):
                    await call
        await store.create_table()
        assert await store.get("key") is None
