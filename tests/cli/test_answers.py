"""What the commands say, and what they do where a process of its own would show no more."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from litestar.cli._utils import LitestarEnv

from litestar_sqlstores import create_store
from litestar_sqlstores.cli import stores_group
from litestar_sqlstores.cli.output import bytes_text
from tests.cli.app import make_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from click.testing import Result

    from tests.backends import Store


class App:
    """An application on an SQLite file, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/app.db"
        self.plugins: list[dict[str, Any]] = [{"config_or_url": self.url}]

    def run(self, *arguments: str, text: str | None = None) -> Result:
        env = LitestarEnv(app_path="", app=make_app(self.plugins), cwd=Path.cwd())
        return CliRunner().invoke(stores_group, arguments, obj=env, input=text, catch_exceptions=False)

    def text(self, *arguments: str, text: str | None = None) -> str:
        """What a command that works says."""
        result = self.run(*arguments, text=text)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def document(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def failure(self, *arguments: str, text: str | None = None) -> tuple[int, str]:
        """The exit code and text of a command that does not."""
        result = self.run(*arguments, text=text)
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        return result.exit_code, line.removeprefix("Error: ")

    def use(self, work: Callable[[Store], Awaitable[object]], **options: Any) -> None:
        """Do something with the store."""

        async def use() -> None:
            async with create_store(self.url, **options) as store:
                await work(store)

        asyncio.run(use())


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(tmp_path)
    app.use(lambda store: store.create_table())
    return app


async def fill(store: Store) -> None:
    await store.with_namespace("sessions").set("id", '{"user": "é"}', expires_in=7200, owner="alice")
    await store.with_namespace("pages").set("id", b"\xff" * 3000)
    await store.set("other", "1", expires_in=0.001)
    await asyncio.sleep(0.01)


# -- the table


def test_init_and_check(tmp_path: Path) -> None:
    app = App(tmp_path)
    missing = (1, "table 'litestar_session' does not exist; create it with `litestar stores init`")
    assert app.failure("check") == app.failure("stats") == app.failure("cleanup", "--json") == missing
    assert app.text("init") == "table 'litestar_session' was created\n"
    assert app.text("init") == "table 'litestar_session' is there already\n"
    assert app.text("check") == "table 'litestar_session' is what the store expects\n"


def test_a_table_of_another_shape_is_refused(app: App) -> None:
    app.plugins[0]["data_format"] = "json"
    exit_code, text = app.failure("init")
    assert exit_code == 1
    assert "data_format='json'" in text
    check = app.run("check")
    assert check.exit_code == 1
    assert check.stdout == (
        "table 'litestar_session' is not what the store expects:\n  column data is BLOB, and should be TEXT\n"
    )
    assert json.loads(app.run("check", "--json").stdout) == {
        "table": "litestar_session",
        "ok": False,
        "differences": ["column data is BLOB, and should be TEXT"],
    }


def test_a_backend_of_the_applications_own(tmp_path: Path) -> None:
    import examples.toy_backend  # noqa: F401 - registers it

    app = App(tmp_path)
    app.plugins[0]["config_or_url"] = f"toy:///{tmp_path}/toy.db"
    assert app.document("init")["created"]
    assert app.text("ddl").startswith('CREATE TABLE IF NOT EXISTS "litestar_session"')
    exit_code, text = app.failure("ddl", "--native-ttl")
    assert (exit_code, text.startswith("nobody here knows what has toy remove expired rows")) == (2, True)
    assert app.document("stats")["live"] == 0
    exit_code, text = app.failure("import-sqlspec", "--from-table", "old")
    assert (exit_code, text) == (1, "sessions are imported on PostgreSQL and SQLite only, not on toy")


# -- stats


def test_stats_for_people(app: App) -> None:
    app.use(fill)
    lines = [line.strip("┃│ ") for line in app.text("stats").splitlines()]
    table = [[cell.strip() for cell in line.split("│")] for line in lines if "│" in line]
    assert table[:4] == [
        ["LITESTAR", "0", "1", "1 bytes"],
        ["LITESTAR_pages", "1", "0", "2.9 KiB"],
        ["LITESTAR_sessions", "1", "0", "14 bytes"],
        ["all", "2", "1", "2.9 KiB"],
    ]
    assert table[6] == ["an hour to a day", "1", "█" * 40]
    assert table[-1] == ["never", "1", "█" * 40]


def test_stats_of_an_empty_table(app: App) -> None:
    assert app.text("stats") == "table 'litestar_session' is empty\n"
    assert app.document("stats")["namespaces"] == []


@pytest.mark.parametrize(
    "size, text",
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (2048 << 40, "2,048.0 TiB")],
)
def test_numbers_of_bytes(size: int, text: str) -> None:
    assert bytes_text(size) == text


# -- cleanup


def test_cleanup_in_batches(app: App) -> None:
    async def expire(store: Store) -> None:
        await store.set_many({str(number): "1" for number in range(5)}, expires_in=0.001)
        await asyncio.sleep(0.01)

    app.use(expire)
    assert app.text("cleanup", "--batch-size", "2", "--max-batches", "1") == (
        "removed 2 expired entries from table 'litestar_session', as --max-batches allowed; there may be more\n"
    )
    assert app.document("cleanup", "--batch-size", "2")["removed"] == 3
    assert app.text("cleanup") == "removed 0 expired entries from table 'litestar_session'\n"


def test_a_cleanup_that_fails_says_how_far_it_came(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def expire(store: Store) -> None:
        await store.set_many({str(number): "1" for number in range(3)}, expires_in=0.001)
        await asyncio.sleep(0.01)
        async with store.config.provide_session() as session:  # the second batch fails
            await session.execute(
                "CREATE TRIGGER trap BEFORE DELETE ON litestar_session"
                " WHEN (SELECT count(*) FROM litestar_session) = 2 BEGIN SELECT RAISE(ABORT, 'trap'); END"
            )

    app.use(expire)
    exit_code, text = app.failure("cleanup", "--batch-size", "1")
    assert exit_code == 1
    assert text.endswith("; 1 expired entries were removed before")


# -- entries


def test_clear_takes_names_of_the_registry_and_those_that_stats_shows(app: App) -> None:
    app.use(fill)
    assert app.document("clear", "pages", "--yes")["removed"] == 1
    app.use(fill)
    assert app.document("clear", "LITESTAR_pages", "--yes")["removed"] == 1
    assert app.document("clear", "LITESTAR", "--yes") == {
        "table": "litestar_session",
        "namespace": "LITESTAR",
        "removed": 2,
    }
    exit_code, text = app.failure("clear", "pages", "--yes")
    assert (exit_code, text) == (
        1,
        "table 'litestar_session' has no namespace 'pages' of this application; there are no entries at all",
    )


def test_clear_touches_no_other_application(app: App) -> None:
    app.use(fill, namespace="OTHER")
    app.use(fill)
    exit_code, text = app.failure("clear", "OTHER", "--yes")
    assert exit_code == 1
    assert text.endswith("there are LITESTAR, LITESTAR_pages, LITESTAR_sessions")


def test_clear_by_prefix_wants_keys_that_are_kept(app: App) -> None:
    keep: dict[str, Any] = {"keep_keys": ["pages"]}
    app.plugins[0] |= keep
    pages = {f"/{name}/{number}": "1" for name in ("a", "b") for number in range(3)}
    app.use(lambda store: store.with_namespace("pages").set_many(pages), **keep)
    app.use(lambda store: store.with_namespace("sessions").set("id", "1"), **keep)
    assert app.document("clear", "pages", "--prefix", "/a/", "--yes") == {
        "table": "litestar_session",
        "namespace": "LITESTAR_pages",
        "removed": 3,
    }
    exit_code, text = app.failure("clear", "pages", "--prefix", "/b/")
    assert (exit_code, "/b/" in text) == (2, False)
    assert app.failure("clear", "pages", "--prefix", "", "--yes")[0] == 1
    exit_code, text = app.failure("clear", "sessions", "--prefix", "/", "--yes")
    assert exit_code == 1
    assert "name it in keep_keys" in text
    assert [each["live"] for each in app.document("stats")["namespaces"]] == [3, 1]


def test_revoke_looks_into_all_namespaces_or_into_some(app: App) -> None:
    async def own(store: Store) -> None:
        for name in ("sessions", "tokens"):
            await store.with_namespace(name).set("id", "1", owner="alice")

    app.use(own)
    assert app.document("revoke", "alice", "--namespace", "tokens")["removed"] == 1
    assert app.failure("revoke", "alice", "--namespace", "tokens")[0] == 1
    assert app.text("revoke", "-", text="alice\n") == "removed 1 entries of this owner from table 'litestar_session'\n"
    exit_code, text = app.failure("revoke", "alice")
    assert (exit_code, "alice" in text) == (1, False)


def test_get_info_shows_data_only_when_asked(app: App) -> None:
    app.use(fill)
    text = app.text("get-info", "id")
    assert text.count("live") == 2
    assert "alice" in text
    assert "user" not in text
    (entry,) = app.document("get-info", "id", "--namespace", "sessions", "--show")["entries"]
    assert (entry["namespace"], entry["owner"], entry["data"]) == ("LITESTAR_sessions", "alice", '{"user": "é"}')
    (entry,) = app.document("get-info", "id", "--namespace", "LITESTAR_pages", "--show")["entries"]
    assert entry["data_base64"] == "/" * 4000
    assert (entry["expires_at"], entry["bytes"]) == (None, 3000)
    assert "user" in app.text("get-info", "-", "--show", text="id\n")


def test_get_info_tells_what_has_expired(app: App) -> None:
    app.use(fill)
    (entry,) = app.document("get-info", "other", "--show")["entries"]
    assert (entry["state"], "data" in entry) == ("expired", False)


# -- which plugin


def test_several_plugins_are_told_apart_by_name(app: App) -> None:
    app.plugins.append(
        {"config_or_url": app.url, "table": "caches", "names": ["pages"], "default": False, "dependency": "cache"}
    )
    exit_code, text = app.failure("check")
    assert exit_code == 2
    assert text == (
        "the application has several SQLStoresPlugins; choose one with --store: sessions or sql_store (table"
        " 'litestar_session'); pages or cache (table 'caches')"
    )
    assert app.document("init", "--store", "cache") == {"table": "caches", "created": True}
    assert app.document("check", "--store", "pages")["table"] == "caches"
    assert app.document("check", "--store", "sessions")["table"] == "litestar_session"
    exit_code, text = app.failure("check", "--store", "other")
    assert (exit_code, text.startswith("no SQLStoresPlugin has the name 'other'; choose one")) == (2, True)


def test_a_config_of_the_application_is_closed_in_the_end(app: App, tmp_path: Path) -> None:
    from sqlspec.adapters.aiosqlite import AiosqliteConfig

    config = AiosqliteConfig(connection_config={"database": f"{tmp_path}/app.db"})
    app.plugins[0]["config_or_url"] = config
    assert app.document("check") == {"table": "litestar_session", "ok": True, "differences": []}
    assert config.connection_instance is None


@pytest.mark.parametrize("url", ["postgresql://a:secret@127.0.0.1:1/b", "mysql://a:secret@127.0.0.1:1/b"])
def test_a_database_that_is_not_there(app: App, url: str) -> None:
    app.plugins = [{"config_or_url": url, "timeout": 1}]
    for command in (["check"], ["stats", "--json"], ["revoke", "-"]):
        exit_code, text = app.failure(*command, text="alice")
        assert exit_code == 1
        assert text.startswith("the database cannot be reached")
        assert "secret" not in text
