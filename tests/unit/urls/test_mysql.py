"""URLs of MySQL and MariaDB."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import AiomysqlStore, AsyncmyStore, create_store
from litestar_sqlstores.errors import ConfigurationError
from tests.unit.urls.reading import config_of

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    "url, expected",
    [
        ("mysql://host/app", {"host": "host", "port": 3306, "db": "app", "user": "", "password": ""}),
        ("mariadb://u:p@[::1]:3307/app", {"host": "::1", "port": 3307, "user": "u", "password": "p"}),
        ("mysql+aiomysql://u%40x:p%2F%25%3A@host/a%20b", {"user": "u@x", "password": "p/%:", "db": "a b"}),
        ("mysql://u:p@:ss%@host:1/app", {"user": "u", "password": "p@:ss%", "host": "host", "port": 1}),
        ("mariadb+aiomysql:///app?unix_socket=/run/my.sock", {"host": "localhost", "unix_socket": "/run/my.sock"}),
        ("mysql://host/app?charset=latin1&connect_timeout=2.5", {"charset": "latin1", "connect_timeout": 2.5}),
        ("mysql://host/app?charset=utf8mb4&use_unicode=1&autocommit=true&local_infile=0", {"charset": "utf8mb4"}),
        ("mysql://host/app?init_command=SET%20%40a=1", {"init_command": "SET @a=1"}),
        ("mysql://host/app?program_name=web", {"program_name": "web"}),
        ("mysql://host/app?read_default_file=/etc/my.cnf", {"read_default_file": "/etc/my.cnf"}),
        ("mysql://host/app?ssl_mode=DISABLED", {"ssl": None}),
        ("mysql://host/app?ssl=false", {"ssl": None}),
    ],
)
def test_a_url_is_read_as_sqlalchemy_reads_it(url: str, expected: Mapping[str, object]) -> None:
    store = create_store(url, max_connections=7)
    assert isinstance(store, AiomysqlStore)
    config = store.config.connection_config
    assert {name: config.get(name) for name in expected} == expected
    assert config.get("autocommit") is True
    assert config.get("maxsize") == 8


@pytest.mark.parametrize("scheme", ["mysql+asyncmy", "mariadb+asyncmy"])
def test_a_url_may_name_the_other_driver(scheme: str) -> None:
    assert isinstance(create_store(f"{scheme}://host/app"), AsyncmyStore)


NAMED = (True, ssl.CERT_REQUIRED)
TRUSTED = (False, ssl.CERT_REQUIRED)
ENCRYPTED = (False, ssl.CERT_NONE)


@pytest.mark.parametrize(
    "query, expected",
    [
        ("ssl=true", NAMED),
        ("ssl=1", NAMED),
        ("ssl_check_hostname=true", NAMED),
        ("ssl_check_hostname=false", TRUSTED),
        ("ssl=true&ssl_check_hostname=false", TRUSTED),
        ("ssl_mode=VERIFY_IDENTITY", NAMED),
        ("ssl-mode=VERIFY_CA", TRUSTED),
        ("ssl-mode=REQUIRED", ENCRYPTED),
        ("ssl_mode=required&ssl_verify_cert=true", TRUSTED),
        ("ssl_verify_cert=true&ssl_verify_identity=true", NAMED),
        ("ssl_verify_cert=false", ENCRYPTED),
        ("ssl_mode=REQUIRED&ssl_capath=/etc/ssl/certs", TRUSTED),
    ],
)
def test_tls_is_as_strict_as_the_url_says(query: str, expected: tuple[bool, ssl.VerifyMode]) -> None:
    for driver in ("aiomysql", "asyncmy"):
        context = config_of(f"mysql+{driver}://host/app?{query}")["ssl"]
        assert (context.check_hostname, context.verify_mode) == expected


@pytest.mark.parametrize(
    "url, message",
    [
        ("mysql://host", "names a database"),
        ("mysql://host/", "names a database"),
        ("mysql://host/a/b", "names a database"),
        ("mysql://u:s3cr3t@host:port/app", "port is a number"),
        ("mysql://u:s3cr3t@a,b/app", "has one host"),
        ("mysql://u:s3cr3t@host/app?connect_timeout=soon", "connect_timeout is 'soon'; it may be a positive number"),
        (
            "mysql://u:s3cr3t@host/app?read_timeout=1",
            "the option read_timeout: .*timeout bounds every call",
        ),
        ("mysql://u:s3cr3t@host/app?sql_mode=ANSI", "cannot have the option sql_mode: the store sets it"),
        ("mysql://u:s3cr3t@host/app?sslmode=require", "option sslmode: .*ssl_mode=REQUIRED or ssl=true"),
        ("mysql://u:s3cr3t@host/app?charst=latin1", "no option 'charst'; it may have charset, .*ssl_ca"),
        ("mysql://u:s3cr3t@host/app?autocommit=false", "autocommit is 'false'"),
        ("mysql://u:s3cr3t@host/app?ssl=perhaps", "ssl is 'perhaps'; it may be true or false"),
        ("mysql://u:s3cr3t@host/app?ssl_mode=PREFERRED", "ssl_mode is 'PREFERRED'.*encryption is not optional"),
        ("mysql://u:s3cr3t@host/app?ssl=false&ssl_mode=REQUIRED", "contradict each other"),
        ("mysql://u:s3cr3t@host/app?ssl_mode=DISABLED&ssl_ca=/ca", "contradict each other"),
        ("mysql://u:s3cr3t@host/app?ssl_mode=DISABLED&ssl=true", "contradict each other"),
        ("mysql://u:s3cr3t@host/app?ssl_ca=/no/such/file", "ssl_ca.*paths"),
        ("mysql://u:s3cr3t@host/app?ssl_check_hostname=perhaps", "ssl_check_hostname is 'perhaps'"),
        ("mysql+pymysql://u:s3cr3t@host/app", r"mysql\+pymysql.*mysql\+aiomysql://"),
    ],
)
def test_what_a_url_cannot_have_is_refused_by_name(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){message}") as error:
        create_store(url)
    assert "s3cr3t" not in str(error.value)
