from __future__ import annotations

import sys
from typing import Any

import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.asyncpg import AsyncpgConfig
from sqlspec.adapters.sqlite import SqliteConfig

import litestar_sqlstores
from litestar_sqlstores import AiosqliteStore, AsyncpgStore, BaseSQLSpecStore, create_store
from litestar_sqlstores.errors import ConfigurationError, MissingDriverError

# -- URLs


@pytest.mark.parametrize(
    "url, named",
    [
        ("mongodb://localhost/app", "scheme 'mongodb'"),
        ("postgresql+psycopg://localhost/app", r"scheme 'postgresql\+psycopg'"),
        ("sqlite+pysqlite:///app.db", r"scheme 'sqlite\+pysqlite'"),
        ("://", "scheme ''"),
        ("", "a text without a scheme"),
        ("app.db", "a text without a scheme"),
        ("sqlite:app.db", "a text without a scheme"),
    ],
)
def test_an_unknown_scheme_is_refused_with_those_that_are_known(url: str, named: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"no store for {named}; known are postgresql://, postgresql\+asyncpg://.* sqlite://"
    ):
        create_store(url)


@pytest.mark.parametrize("url", ["postgresql://user:s3cr3t@localhost/app", "sqlite:///s3cr3t.db"])
def test_no_password_is_in_the_repr_of_a_store(url: str) -> None:
    store = create_store(url, table="app.sessions", namespace="WEB")
    assert repr(store) == f"{type(store).__name__}(table='app.sessions', namespace='WEB')"
    assert "s3cr3t" not in repr(store.settings)


# -- options


def test_options_reach_the_store() -> None:
    store = create_store("sqlite://", table="t", namespace="N", timeout=3, max_pending=5, data_format="json")
    assert store.namespace == "N"
    assert (store.settings.table, store.settings.timeout, store.settings.max_pending) == ("t", 3, 5)
    assert store.settings.data_format == "json"


@pytest.mark.parametrize("url", ["sqlite:///app.db", "postgresql://localhost/app"])
@pytest.mark.parametrize(
    "options, expected",
    [
        ({"tabel": "x"}, "'tabel' is no option of"),
        ({"max_connections": "4"}, "max_connections is '4'; it must be a positive int"),
        ({"max_connections": None}, "max_connections is None; it must be a positive int"),
        ({"max_connections": 0}, "max_connections is 0; it must be a positive int"),
        ({"max_connections": 2.5}, "max_connections is 2.5; it must be a positive int"),
        ({"timeout": "1"}, "timeout is '1'"),
    ],
)
def test_wrong_options_are_refused_by_name(url: str, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        create_store(url, **options)


@pytest.mark.parametrize("connections", [1, 7])
def test_a_pool_that_the_store_makes_has_room_for_its_lanes(connections: int) -> None:
    postgresql = create_store("postgresql://localhost/app", max_connections=connections)
    assert postgresql.config.connection_config["max_size"] > connections
    sqlite = create_store("sqlite:///app.db", max_connections=connections)
    assert sqlite.config.connection_config["pool_size"] > connections


# -- configs


@pytest.mark.parametrize(
    "config, store_class",
    [
        (AsyncpgConfig(connection_config={"dsn": "postgresql://localhost/app"}), AsyncpgStore),
        (AiosqliteConfig(connection_config={"database": "app.db"}), AiosqliteStore),
    ],
)
def test_a_config_gets_the_store_of_its_driver(config: Any, store_class: type[BaseSQLSpecStore[Any]]) -> None:
    store = create_store(config, table="mine", max_connections=2)
    assert type(store) is store_class
    assert store.config is config
    assert store.settings.table == "mine"


def test_a_subclass_of_a_config_is_one() -> None:
    class Config(AiosqliteConfig):
        pass

    class MyConfig(Config):
        pass

    assert type(create_store(MyConfig(connection_config={"database": "app.db"}))) is AiosqliteStore


def test_the_extensions_of_a_config_are_settings() -> None:
    config = AiosqliteConfig(
        connection_config={"database": "app.db"},
        extension_config={"litestar_sqlstores": {"timeout": 3, "namespace": "N"}, "litestar": {"session_table": "s"}},
    )
    store = create_store(config, timeout=2)
    assert (store.settings.timeout, store.namespace, store.settings.table) == (2, "N", "s")


@pytest.mark.parametrize(
    "config", [None, 1, b"sqlite://", object(), SqliteConfig(connection_config={"database": "s3cr3t"}), AsyncpgConfig]
)
def test_any_other_config_is_refused_with_those_that_are_known(config: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_store(config)
    assert str(caught.value).startswith(
        f"no store for {type(config).__name__}; give a URL or one of AsyncpgConfig, AiosqliteConfig"
    )
    assert "s3cr3t" not in str(caught.value)


# -- drivers


@pytest.mark.parametrize(
    "driver, url, name",
    [("asyncpg", "postgresql://localhost/app", "AsyncpgStore"), ("aiosqlite", "sqlite:///app.db", "AiosqliteStore")],
)
@pytest.mark.parametrize("loaded", [True, False])
def test_a_missing_driver_is_an_error_that_says_what_to_install(
    driver: str, url: str, name: str, loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    if not loaded:
        monkeypatch.delitem(sys.modules, f"litestar_sqlstores.backends.{driver}")
        monkeypatch.delitem(sys.modules, f"sqlspec.adapters.{driver}", raising=False)
    expected = rf"{name} needs {driver}: pip install 'litestar-sqlstores\[{driver}\]'"
    with pytest.raises(MissingDriverError, match=expected) as caught:
        create_store(url)
    assert isinstance(caught.value.__cause__, ImportError)
    assert not hasattr(litestar_sqlstores, name)
    with pytest.raises(AttributeError, match=expected):
        getattr(litestar_sqlstores, name)
    with pytest.raises(MissingDriverError, match=expected):
        exec(f"from litestar_sqlstores import {name}")


@pytest.mark.parametrize("driver", ["asyncpg", "aiosqlite"])
def test_one_driver_does_without_the_other(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other, url = {"asyncpg": ("aiosqlite", "postgresql://localhost/app"), "aiosqlite": ("asyncpg", "sqlite://")}[driver]
    monkeypatch.setitem(sys.modules, other, None)
    assert create_store(url).settings.table == "litestar_session"


def test_the_package_has_its_stores_and_nothing_else_by_name() -> None:
    assert litestar_sqlstores.AsyncpgStore is AsyncpgStore
    assert litestar_sqlstores.AiosqliteStore is AiosqliteStore
    assert all(hasattr(litestar_sqlstores, name) for name in ("create_store", "StoreError", "BaseSQLSpecStore"))
    with pytest.raises(AttributeError, match="'litestar_sqlstores' has no attribute 'OtherStore'"):
        _ = litestar_sqlstores.OtherStore  # type: ignore[attr-defined]
