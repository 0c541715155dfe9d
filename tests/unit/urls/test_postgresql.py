"""URLs of PostgreSQL, up to what asyncpg itself makes of them."""

from __future__ import annotations

import inspect
import socket
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st

from litestar_sqlstores import create_store
from litestar_sqlstores.errors import ConfigurationError
from tests.unit.urls.reading import config_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PATHS = ["/run/postgresql/.s.PGSQL.5432"]


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSSLMODE", "PGSERVICEFILE"):
        monkeypatch.delenv(name, raising=False)
    # Where asyncpg looks for passwords and certificates.
    monkeypatch.setenv("HOME", str(tmp_path))


def understood(url: str) -> tuple[list[Any], Any]:
    """The addresses and the parameters that asyncpg connects with."""
    config = config_of(url)
    names = inspect.signature(connect_utils._parse_connect_dsn_and_args).parameters
    addresses, parameters = connect_utils._parse_connect_dsn_and_args(**{name: config.get(name) for name in names})
    return addresses, parameters


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgres+asyncpg"])
def test_a_url_reaches_asyncpg(scheme: str) -> None:
    addresses, found = understood(f"{scheme}://user:p%40ss%2Fw%3Ard@db.example.com:5433/my%20database")
    assert addresses == [("db.example.com", 5433)]
    assert (found.user, found.password, found.database) == ("user", "p@ss/w:rd", "my database")


@pytest.mark.parametrize(
    "rest, addresses",
    [
        ("localhost/app", [("localhost", 5432)]),
        ("user@localhost:1/app", [("localhost", 1)]),
        ("[::1]:5433/app", [("::1", 5433)]),
        ("[::1]/app", [("::1", 5432)]),
        ("host1:1,host2:2/app", [("host1", 1), ("host2", 2)]),
        ("u:p@host1,[::1]:2,host3/app", [("host1", 5432), ("::1", 2), ("host3", 5432)]),
        ("host1,host2/app?port=1", [("host1", 1), ("host2", 1)]),
        ("host1,host2/app?port=1,2", [("host1", 1), ("host2", 2)]),
        ("/app?host=/run/postgresql", PATHS),
        ("/app?host=%2Frun%2Fpostgresql&user=u%26v", PATHS),
        ("%2Frun%2Fpostgresql/app", PATHS),
        # As SQLAlchemy writes it.
        ("u:p@/app?host=host1:1&host=host2:2", [("host1", 1), ("host2", 2)]),
        ("u:p@/app?host=host1&host=host2&port=1&port=2", [("host1", 1), ("host2", 2)]),
        ("u:p@/app?host=host1,host2&port=1,2", [("host1", 1), ("host2", 2)]),
        ("u:p@/app?host=host1&host=host2", [("host1", 5432), ("host2", 5432)]),
    ],
)
def test_every_host_is_where_the_url_says(rest: str, addresses: list[Any]) -> None:
    assert understood(f"postgresql+asyncpg://{rest}")[0] == addresses


@pytest.mark.parametrize(
    "rest, expected",
    [
        ("host1,host2/app", "read-write"),
        ("/app?host=host1&host=host2", "read-write"),
        ("host1,host2/app?target_session_attrs=any", "any"),
        ("host1,host2/app?target_session_attrs=primary", "primary"),
        ("host1/app", "any"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_used(rest: str, expected: str) -> None:
    assert understood(f"postgresql://{rest}")[1].target_session_attrs.value == expected


def test_what_the_environment_says_of_hosts_is_left_to_asyncpg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "primary")
    monkeypatch.setenv("PGPORT", "7")
    addresses, found = understood("postgresql://host1,host2:8/app")
    assert addresses == [("host1", 7), ("host2", 8)]
    assert found.target_session_attrs.value == "primary"
    assert understood("postgresql://host1/app")[0] == [("host1", 7)]


@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_password_reaches_asyncpg_if_it_is_percent_encoded(password: str) -> None:
    config = config_of(f"postgresql://user:{quote(password, safe='')}@localhost/app")
    assert config["password"] == password
    assert (config["user"], config["host"], config["database"]) == ("user", "localhost", "app")


# What a person pastes: read right, as it can only be a password.
@pytest.mark.parametrize("password", ["p@ss", "p:ss", "p[ss]", "p%ss", "p+s s", "[::1]", "p\uff1a"])
def test_a_password_that_can_be_read_without_quoting_is(password: str) -> None:
    config = config_of(f"postgresql://user:{password}@localhost:1/app")
    assert (config["user"], config["password"], config["host"], config["port"]) == ("user", password, "localhost", 1)


@pytest.mark.parametrize(
    "query, expected",
    [
        ("connect_timeout=5", {"timeout": 5.0}),
        ("connect_timeout=1", {"timeout": 2.0}),
        ("connect_timeout=0", {"timeout": None}),
        ("timeout=0.5", {"timeout": 0.5}),
        ("command_timeout=7", {"command_timeout": 7.0}),
        ("statement_cache_size=0", {"statement_cache_size": 0}),
        ("prepared_statement_cache_size=0", {"statement_cache_size": 0}),
        ("prepared_statement_cache_size=0&statement_cache_size=50", {"statement_cache_size": 0}),
        ("pgbouncer=true", {"statement_cache_size": 0}),
        ("pgbouncer=false&statement_cache_size=9", {"statement_cache_size": 9}),
        ("channel_binding=prefer&gssencmode=disable&client_encoding=UTF8", {}),
        ("ssl=true", {"ssl": True}),
        ("sslmode=verify-full&sslrootcert=system", {"ssl": True}),
        ("passfile=/p&service=s&krbsrvname=k", {"passfile": "/p", "service": "s", "krbsrvname": "k"}),
    ],
)
def test_an_option_becomes_asyncpgs_argument(query: str, expected: Mapping[str, object]) -> None:
    plain = config_of("postgresql://localhost/app")
    config = config_of(f"postgresql://localhost/app?{query}")
    assert {name: value for name, value in config.items() if plain.get(name, plain) != value} == expected


@pytest.mark.parametrize(
    "query, mode",
    [
        ("sslmode=require", "require"),
        ("ssl=require", "require"),
        ("ssl=Prefer", "prefer"),
        ("ssl=false", "disable"),
        ("sslmode=disable", "disable"),
        ("ssl=true", "verify_full"),
    ],
)
def test_tls_is_as_the_url_says(query: str, mode: str) -> None:
    found = understood(f"postgresql+asyncpg://localhost/app?{query}&application_name=a")[1]
    assert found.sslmode.name.replace("-", "_") == mode
    assert found.server_settings == {"application_name": "a"}
    if mode == "verify_full":
        assert (found.ssl.check_hostname, found.ssl.verify_mode) == (True, ssl.CERT_REQUIRED)


@pytest.mark.parametrize("query", ["sslmode=verify-full&sslrootcert={}", "ssl=true&sslrootcert={}"])
def test_a_root_certificate_is_used(query: str, tmp_path: Any) -> None:
    missing = tmp_path / "no root.crt"
    with pytest.raises(FileNotFoundError):
        understood(f"postgresql://localhost/app?{query.format(quote(str(missing)))}")


def test_what_the_server_is_told_of_the_session_reaches_it() -> None:
    query = "application_name=a%20b&options=-c%20search_path%3Dx&statement_timeout=5&my.setting=1"
    assert understood(f"postgresql://localhost/app?{query}")[1].server_settings == {
        "application_name": "a b",
        "options": "-c search_path=x",
        "statement_timeout": "5",
        "my.setting": "1",
    }
    query = "fallback_application_name=f"
    assert config_of(f"postgresql://localhost/app?{query}")["server_settings"] == {"application_name": "f"}
    settings = config_of(f"postgresql://localhost/app?{query}&application_name=a")["server_settings"]
    assert settings == {"application_name": "a"}


async def test_keep_alive_is_set_on_the_socket() -> None:
    query = "keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000"
    init = config_of(f"postgresql://localhost/app?{query}")["init"]
    with socket.socket() as raw:
        transport = SimpleNamespace(get_extra_info={"socket": raw}.get)
        await init(SimpleNamespace(_transport=transport))
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        found = [raw.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names if hasattr(socket, name)]
        assert found == [30, 5, 3, 9000][: len(found)]
    with socket.socket() as raw:
        await config_of("postgresql://localhost/app?keepalives=0")["init"](
            SimpleNamespace(_transport=SimpleNamespace(get_extra_info={"socket": raw}.get))
        )
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    with socket.socket(socket.AF_UNIX) as raw:  # has none
        await init(SimpleNamespace(_transport=SimpleNamespace(get_extra_info={"socket": raw}.get)))


@pytest.mark.parametrize(
    "rest, message",
    [
        ("localhost", "names a database"),
        ("user:s3cr3t@localhost/", "names a database"),
        ("/", "names a database"),
        (
            "localhost/app?channel_binding=require",
            "option channel_binding is 'require'.*prefer.*has no channel",
        ),
        ("localhost/app?gssencmode=require", "option gssencmode is 'require'"),
        ("localhost/app?target_session_attrs=standby", "target_session_attrs is 'standby'.*a store writes"),
        ("localhost/app?connect_timeout=soon", "connect_timeout is 'soon'; it may be a whole number of seconds"),
        ("localhost/app?statement_cache_size=-1", "statement_cache_size is '-1'; it may be a number, 0 or more"),
        ("localhost/app?ssl=perhaps", "option ssl is 'perhaps'; it may be true, false, disable"),
        ("localhost/app?sslmode=on", "option sslmode is 'on'"),
        ("localhost/app?sslmode=require&ssl=false", "contradict"),
        ("localhost/app?ssl=true&sslcert=/c", "sslmode=verify-full and sslrootcert"),
        ("localhost/app?sslmode=require&sslrootcert=system", "sslrootcert=system needs sslmode=verify-full"),
        ("localhost/app?connect_timeout=5&connect_timeout=6", "option connect_timeout twice"),
        ("localhost/app?connect_timeout=5&timeout=6", "contradict each other; one of them is timeout"),
        ("localhost/app?conect_timeout=5", "no option 'conect_timeout'; it may have host, port"),
        ("localhost/app?shared_buffers=5&fsync=off", "no option 'shared_buffers', 'fsync'"),
        ("localhost/app?hostaddr=127.0.0.1", "cannot have the option hostaddr: write the address as the host"),
        ("localhost/app?schema=x", r"schema: give the store table='schema\.name'"),
        ("localhost/app?client_encoding=latin1", "client_encoding is 'latin1'"),
        ("localhost/app?keepalives_idle=soon", "keepalives_idle is 'soon'"),
        ("localhost:port/app", "port is a number from 1 to 65535"),
        ("localhost:0/app", "port is a number from 1 to 65535"),
        ("localhost:65536/app", "port is a number from 1 to 65535"),
        ("localhost/app?port=x", "port is a number"),
        ("host1,host2,host3/app?port=1,2", "one port for all hosts, or one for each"),
        ("host1:1,host2/app?port=2", "one port for all hosts, or one for each"),
        ("a:b:c/app", "port is a number"),
        ("[::1/app", "host cannot be read"),
        ("u:p@host1,u:p@host2/app", "quote user and password"),
    ],
)
def test_what_a_url_cannot_have_is_refused_by_name(rest: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){message}") as caught:
        create_store(f"postgresql://{rest}")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("variable", ["PGDATABASE", "PGSERVICE"])
def test_the_environment_may_name_the_database(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "app")
    assert "database" not in config_of("postgresql://localhost")
    assert config_of("postgresql://localhost?dbname=other")["database"] == "other"
