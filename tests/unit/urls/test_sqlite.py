"""URLs of SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import create_store
from litestar_sqlstores.errors import ConfigurationError
from tests.unit.urls.reading import config_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
        ("/app.db?timeout=5", "app.db"),
        ("/file:app.db?uri=true", "file:app.db"),
        ("/file:a%3Fb.db?uri=true&mode=rw&cache=private", "file:a%3Fb.db?mode=rw&cache=private"),
        ("/file:/var/lib/app.db?mode=rwc&uri=true&timeout=5", "file:/var/lib/app.db?mode=rwc"),
    ],
)
def test_a_url_names_a_file_as_in_sqlalchemy(scheme: str, rest: str, database: str) -> None:
    assert config_of(f"{scheme}://{rest}")["database"] == database


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+aiosqlite://"])
def test_a_url_without_a_file_is_a_database_in_memory(url: str) -> None:
    assert "memory" in config_of(url)["database"]


@pytest.mark.parametrize(
    "query, expected",
    [
        ("timeout=2.5", {"timeout": 2.5}),
        ("check_same_thread=False", {}),
        ("check_same_thread=true&detect_types=0", {}),
        ("cached_statements=300", {"cached_statements": 300}),
    ],
)
def test_an_option_becomes_the_drivers(query: str, expected: Mapping[str, object]) -> None:
    assert config_of(f"sqlite:///app.db?{query}") == {**config_of("sqlite:///app.db"), **expected}


async def test_a_store_with_every_option_works(tmp_path: Path) -> None:
    query = "uri=true&mode=rwc&cache=private&timeout=1&check_same_thread=false&cached_statements=9"
    async with create_store(f"sqlite:///file:{tmp_path}/a%20b.db?{query}") as store:
        await store.create_table()
        await store.set("key", b"1")
        assert await store.get("key") == b"1"
    assert (tmp_path / "a b.db").exists()


@pytest.mark.parametrize(
    "rest, message",
    [
        ("/data#1.db", r"part behind a #; write sqlite:///relative/path\.db"),
        ("app.db", r"host 'app.db'; write sqlite:///relative/path\.db, sqlite:////absolute"),
        ("localhost/app.db", "host 'localhost'; write"),
        ("user:s3cr3t@localhost/app.db", "host 'localhost'; write"),
        ("/app.db?mode=rw", r"mode is one of a file: URL: sqlite:///file:app.db\?uri=true&mode="),
        ("/app.db?uri=true", r"path that begins with file: as in sqlite:///file:app.db\?uri=true"),
        ("/file:app.db?uri=true&mode=ro", "mode is 'ro'; it may be rw, rwc or memory: a store writes"),
        ("/file:app.db?uri=true&immutable=1", "immutable is '1'; it may be 0: a store writes"),
        ("/app.db?timeout=soon", "timeout is 'soon'; it may be a positive number of seconds"),
        ("/app.db?timeout=0", "timeout is '0'"),
        ("/app.db?timeout=inf", "timeout is 'inf'"),
        ("/app.db?isolation_level=IMMEDIATE", "cannot have the option isolation_level: the store begins and ends"),
        ("/app.db?detect_types=1", "detect_types is '1'"),
        ("/app.db?key=s3cr3t", "no option 'key'; it may have timeout, uri"),
    ],
)
def test_what_a_url_cannot_have_is_refused_by_name(rest: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        create_store(f"sqlite://{rest}")
    assert "s3cr3t" not in str(caught.value)
