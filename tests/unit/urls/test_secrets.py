"""No error of a URL shows its password, however it was mistyped."""

from __future__ import annotations

from traceback import format_exception

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litestar_sqlstores import create_store
from litestar_sqlstores.errors import ConfigurationError
from tests.unit.urls.reading import config_of, what_is_said_of

SECRET = "s3cr3t"
SCHEMES = ("postgresql", "postgresql+asyncpg", "mysql", "mysql+asyncmy", "mariadb", "oracle")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "password", ["s3cr3t/x", "s3cr3t#x", "s3cr3t?x", "x/s3cr3t", "x#s3cr3t", "x?s3cr3t", "x?ssl=s3cr3t", "@s3cr3t,@"]
)
def test_a_password_that_is_not_quoted_is_noticed_at_once(scheme: str, password: str) -> None:
    assert "s3cr3t" not in what_is_said_of(f"{scheme}://user:{password}@localhost/app")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "rest", ["root:s3cr3t/app", "root:s3cr3t", "root:s3cr3t/app?x=1", "[s3cr3t/app", "a:[s3cr3t]:1/b"]
)
def test_a_password_without_a_host_is_taken_for_a_port_and_not_shown(scheme: str, rest: str) -> None:
    assert "s3cr3t" not in what_is_said_of(f"{scheme}://{rest}")


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
        "postgresql://localhost/app?password=s3cr3t&unknown=s3cr3t",
        "postgresql://localhost/app?password=s3cr3t&password=other",
    ],
)
def test_no_password_is_in_the_error_of_a_wrong_url(url: str) -> None:
    assert "s3cr3t" not in what_is_said_of(url)


@given(st.sampled_from(SCHEMES), st.text("aZ0@:/?#%[],+=&. \u00e9", max_size=12), st.text("@:/?#%[],=", max_size=6))
@example("mysql", "", "")
@example("postgresql", "%", "/")
def test_no_text_around_a_password_shows_it(scheme: str, before: str, behind: str) -> None:
    url = f"{scheme}://user:{before}{SECRET}{behind}@localhost/app"
    said: list[str] = []
    try:
        create_store(url)
    except ConfigurationError as error:
        said = format_exception(error)
    assert SECRET not in "".join(said)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_url_from_a_file_may_end_with_a_newline(scheme: str) -> None:
    url = f"{scheme}://user:p@localhost/app"
    assert config_of(f"{url}\n") == config_of(url)
