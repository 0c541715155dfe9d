from __future__ import annotations

import sys
import traceback
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.asyncpg import AsyncpgConfig
from sqlspec.adapters.sqlite import SqliteConfig

import litestar_sqlstores
from litestar_sqlstores import AiosqliteStore, AsyncpgStore, BaseSQLSpecStore, create_store
from litestar_sqlstores.errors import ConfigurationError, MissingDriverError


def dsn_of(url: str) -> str:
    """What asyncpg is told."""
    store = create_store(url)
    assert type(store) is AsyncpgStore
    return str(store.config.connection_config["dsn"])


def database_of(url: str) -> str:
    """What SQLite is told to open."""
    store = create_store(url)
    assert type(store) is AiosqliteStore
    return str(store.config.connection_config["database"])


# -- URLs


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgres+asyncpg"])
def test_a_postgresql_url_reaches_asyncpg_as_it_is(scheme: str) -> None:
    rest = "user:p%40ss%2Fw%3Ard@db.example.com:5433/my%20database"
    assert dsn_of(f"{scheme}://{rest}") == f"postgresql://{rest}"


@pytest.mark.parametrize(
    "rest",
    [
        "localhost/app",
        "user@localhost/app",
        "user:@localhost",
        "[::1]:5432/app",
        "host1:1,host2:2/app",
        "/app?host=/run/postgresql",
        "/app?host=%2Frun%2Fpostgresql&user=u%26v",
        "localhost/app?sslmode=require&application_name=a%20b&options=-c%20search_path%3Dx",
    ],
)
def test_nothing_of_a_postgresql_url_is_lost(rest: str) -> None:
    expected, found = urlsplit(f"postgresql://{rest}"), urlsplit(dsn_of(f"postgresql+asyncpg://{rest}"))
    assert (found.scheme, found.netloc, found.path) == ("postgresql", expected.netloc, expected.path)
    assert parse_qs(found.query, keep_blank_values=True) == parse_qs(expected.query, keep_blank_values=True)


@pytest.mark.parametrize("mode", ["require", "verify-full", "disable"])
def test_the_ssl_of_an_sqlalchemy_url_becomes_postgresqls_sslmode(mode: str) -> None:
    query = parse_qs(urlsplit(dsn_of(f"postgresql+asyncpg://localhost/app?ssl={mode}&application_name=a")).query)
    assert query == {"sslmode": [mode], "application_name": ["a"]}


@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_password_reaches_postgresql_if_it_is_percent_encoded(password: str) -> None:
    found = urlsplit(dsn_of(f"postgresql://user:{quote(password, safe='')}@localhost/app"))
    assert unquote(found.password or "") == password
    assert (found.username, found.hostname, found.path) == ("user", "localhost", "/app")


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
@pytest.mark.parametrize(
    "rest, database",
    [
        ("/app.db", "app.db"),
        ("/./data/app.db", "./data/app.db"),
        ("//var/lib/app.db", "/var/lib/app.db"),
        ("/C:/data/app.db", "C:/data/app.db"),
        ("/my%20data/%C3%A4%25.db", "my data/\u00e4%.db"),
        ("/a%3Fb%23c.db", "a?b#c.db"),
    ],
)
def test_a_sqlite_url_names_a_file_as_in_sqlalchemy(scheme: str, rest: str, database: str) -> None:
    assert database_of(f"{scheme}://{rest}") == database


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+aiosqlite://"])
def test_a_sqlite_url_without_a_file_is_a_database_in_memory(url: str) -> None:
    assert "memory" in database_of(url)


def test_a_sqlite_url_that_names_a_part_of_a_file_only_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///relative/path\.db"):
        create_store("sqlite:///data#1.db")


@pytest.mark.parametrize("rest, problem", [("app.db", "host 'app.db'"), ("localhost/app.db", "host 'localhost'")])
def test_a_sqlite_url_has_no_host(rest: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{problem}; write sqlite:///relative/path\.db, sqlite:////absolute"):
        create_store(f"sqlite://{rest}")


def test_a_sqlite_url_has_no_query() -> None:
    with pytest.raises(ConfigurationError, match=r"query .*; write sqlite:///relative/path\.db"):
        create_store("sqlite:///app.db?mode=ro")


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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr3t[@localhost/app",
        "postgresql://user:[s3cr3t]@localhost/app",
        "postgresql://user:s3cr3t\uff1a@localhost/app",
        "postgresql://[s3cr3t/app",
    ],
)
def test_what_is_no_url_is_refused_without_its_password(url: str) -> None:
    assert "s3cr3t" not in what_is_said_of(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg", "mysql", "oracle"])
@pytest.mark.parametrize("password", ["s3cr3t/x", "s3cr3t#x", "s3cr3t?x", "x/s3cr3t", "x#s3cr3t", "x?s3cr3t"])
def test_a_password_that_is_not_quoted_is_noticed_at_once_and_not_shown(scheme: str, password: str) -> None:
    assert "s3cr3t" not in what_is_said_of(f"{scheme}://user:{password}@localhost/app")


def what_is_said_of(url: str) -> str:
    """All that a log would show of the error."""
    with pytest.raises(ConfigurationError) as caught:
        create_store(url)
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "mysql+mysqlclient://user:s3cr3t@localhost/app",
        "user:s3cr3t@localhost/app",
        "user:s3cr3t://x@localhost/app",
        "sqlite://user:s3cr3t@localhost/app.db",
        "sqlite://:s3cr3t@/app.db",
        "sqlite:///app.db?key=s3cr3t",
        "postgresql+psycopg://user:s3cr3t@localhost/app",
    ],
)
def test_no_password_is_in_the_error_of_a_wrong_url(url: str) -> None:
    assert "s3cr3t" not in what_is_said_of(url)


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
    with pytest.raises(ImportError, match=expected):
        getattr(litestar_sqlstores, name)


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
        _ = litestar_sqlstores.OtherStore
