"""docs/operations.md: each command and statement in it, run as printed."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from litestar.cli._utils import LitestarEnv
from litestar.stores.redis import RedisStore
from redis.asyncio import Redis

from litestar_sqlstores import DatabaseError, create_store
from litestar_sqlstores.cli import stores_group
from tests.backends import rows
from tests.cli.app import make_app
from tests.cli.processes import Processes
from tests.docs.documents import ROOT
from tests.servers import MariaDBServer, PostgresServer, RedisServer, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.backends import Store

HEADING_OR_CODE = re.compile(r"^##+ ([^\n]+)\n|```(\w+)\n(.*?)```", re.MULTILINE | re.DOTALL)
PRINTED = {
    "Commands": ["console"],
    "PostgreSQL": ["sql"],
    "MySQL and MariaDB": ["sql"],
    "PostgreSQL: size of the table": ["sql"],
    "MySQL and MariaDB: size of the table": ["sql"],
    "SQLite: size of the table": ["sql"],
    "PostgreSQL: see dead rows": ["sql"],
    "PostgreSQL: tune a busy table": ["sql"],
    "PostgreSQL: after a mass removal": ["sql"],
    "PostgreSQL: find what holds vacuum up": ["sql"],
    "Cleanup": ["cron", "ini", "console"],
    "Backup": ["bash"],
    "SQLite: copy a file that is in use": ["sql"],
    "After a restore": ["console"],
    "Coming from Redis": ["console"],
    "Coming from SQLSpec's store": ["console"],
}
"""What there is, by heading; the tests below run all of it."""


def blocks() -> Iterator[tuple[str, str, str]]:
    """Each block: the heading it is under, its language, and its text."""
    title = ""
    for heading, language, text in HEADING_OR_CODE.findall((ROOT / "docs/operations.md").read_text()):
        title = heading or title
        if language:
            yield title, language, text


def block(title: str, language: str) -> str:
    """The only text in a language under a heading."""
    (text,) = (text for heading, kind, text in blocks() if (heading, kind) == (title, language))
    return text


def statements(title: str) -> list[str]:
    return [part.strip() for part in block(title, "sql").split(";") if part.strip()]


def test_everything_that_is_printed_is_run() -> None:
    printed: dict[str, list[str]] = {}
    for title, language, _ in blocks():
        printed.setdefault(title, []).append(language)
    assert printed == PRINTED
    source = Path(__file__).read_text()
    assert all(source.count(title.removeprefix("PostgreSQL: ")) > 1 for title in PRINTED)


class Console:
    """Runs the commands of a section in an application on an SQLite file."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.url = f"sqlite:///{folder}/app.db"
        self._options = {"config_or_url": self.url, **options}

    def run(self, title: str) -> list[str]:
        """What each of the commands says."""
        said = []
        for line in block(title, "console").splitlines():
            assert line.startswith("$ litestar stores ")
            env = LitestarEnv(app_path="", app=make_app([self._options]), cwd=Path.cwd())
            result = CliRunner().invoke(stores_group, shlex.split(line)[3:], obj=env, catch_exceptions=False)
            assert (result.exit_code, result.stderr) == (0, ""), line
            said.append(result.stdout)
        return said


def fill(url: str) -> None:
    async def run() -> None:
        async with create_store(url) as store:
            await store.create_table()
            await store.with_namespace("sessions").set("0123456789abcdef", "{}", owner="bob")
            await store.with_namespace("sessions").set("other", "{}", owner="alice")
            await store.with_namespace("response_cache").set("page", "1")

    asyncio.run(run())


def test_commands(tmp_path: Path) -> None:
    console = Console(tmp_path)
    fill(console.url)
    said = console.run("Commands")
    assert "LITESTAR_sessions" in said[5]
    assert said[-2:] == [
        "removed 1 entries of 'LITESTAR_response_cache' from table 'litestar_session'\n",
        "removed 1 entries of this owner from table 'litestar_session'\n",
    ]
    documented = re.findall(r"^\| `([a-z-]+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert {*documented} == {*stores_group.commands}


def test_what_databases_need_to_clean_up_themselves(tmp_path: Path) -> None:
    said = Console(tmp_path).run("Cleanup")
    parts = ("cron.schedule", "CREATE EVENT", "CREATE EVENT", "DBMS_SCHEDULER", "ROW DELETION POLICY")
    assert all(part in text for part, text in zip(parts, said, strict=True))


def test_after_a_restore(tmp_path: Path) -> None:
    console = Console(tmp_path)
    fill(console.url)
    assert console.run("After a restore") == [
        "removed 2 entries of 'LITESTAR_sessions' from table 'litestar_session'\n"
    ]


def test_coming_from_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with require(RedisServer) as server:
        monkeypatch.setenv("REDIS_URL", server.dsn)

        async def log_in() -> None:
            async with Redis.from_url(server.dsn) as redis:
                await RedisStore(redis).set("0123456789abcdef" * 4, b"{}", 100)

        asyncio.run(log_in())
        said = Console(tmp_path).run("Coming from Redis")
    assert said[-1] == "imported 1 sessions from namespace 'LITESTAR'; 0 were here already\n"


def test_coming_from_sqlspec(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE litestar_session (session_id TEXT PRIMARY KEY, data BLOB, expires_at REAL)")
        connection.execute("INSERT INTO litestar_session VALUES ('id', x'7b7d', julianday('now') + 1)")
        connection.commit()
    said = Console(tmp_path, table="litestar_stores").run("Coming from SQLSpec's store")
    assert said[1] == "imported 1 sessions from table 'litestar_session'; 0 were here already\n"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_cron_and_systemd(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/app.db"
    fill(url)
    (tmp_path / "app.py").write_text("from tests.cli.app import make_app\n\napp = make_app()\n")
    environment = Processes(tmp_path, {"config_or_url": url}).environment
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    _, _, cron = block("Cleanup", "cron").partition(" * * * * ")
    (unit,) = re.findall(r"^ExecStart=(.*)$", block("Cleanup", "ini"), re.MULTILINE)
    for command in (cron.replace("/srv/app", str(tmp_path)).replace("/var/log", str(tmp_path)), unit):
        subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=True)
    assert '"complete": true' in (tmp_path / "cleanup.log").read_text()


def test_sqlite(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/app.db")
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        (size,) = statements("SQLite: size of the table")
        assert connection.execute(size).fetchone()[0] > 0
        (copy,) = statements("SQLite: copy a file that is in use")
        connection.execute(copy.replace("backup.db", f"{tmp_path}/backup.db"))
    with closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        assert backup.execute("SELECT count(*) FROM litestar_session").fetchone() == (3,)


async def use(store: Store) -> None:
    """All that a store does, as a user who may not create tables."""
    await store.create_table()
    await store.set_many({"one": "1", "two": "2"}, expires_in=100, owner="alice")
    assert await store.get("one", renew_for=1000) == b"1"
    assert await store.replace("one", "3", expected="1")
    assert await store.increment("number") == 1
    assert len(await store.list_owned("alice")) == 1
    assert [each.live for each in await store.stats()] == [3]
    assert await store.namespaces() == [store.namespace]
    assert len(await store.inspect("one")) == 1
    await store.delete_expired()
    assert await store.delete_owned("alice") == 1
    await store.delete_all()
    assert await rows(store, "namespace") == []


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_postgresql(tmp_path: Path) -> None:
    with require(lambda: PostgresServer({"fsync": "off"})) as server:
        url = server.create_database("app")
        async with create_store(url) as owner:
            await owner.create_table()
            server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", url)  # as it is from PostgreSQL 15 on
            for statement in statements("PostgreSQL"):
                server.execute(statement, url)
            as_app = urlsplit(url)._replace(netloc=f"app@127.0.0.1:{server.port}").geturl()
            async with create_store(as_app) as store:
                await use(store)
                other = create_store(store.config, table="other")
                with pytest.raises(DatabaseError):
                    await other.create_table()
                await other.aclose()
            await owner.set("key", "value")
        for title in ("size of the table", "see dead rows", "tune a busy table", "after a mass removal"):
            for statement in statements(f"PostgreSQL: {title}"):
                server.execute(statement, url)
        for statement in statements("PostgreSQL: find what holds vacuum up"):
            server.execute(statement, url)
        commands = [line for line in block("Backup", "bash").splitlines() if line.startswith("pg_dump")]
        environment = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres"}
        await run_shell(commands, tmp_path, environment)
        assert "COPY public.litestar_session" in (tmp_path / "sessions.sql").read_text()
        assert "COPY public.litestar_session" not in (tmp_path / "without-sessions.sql").read_text()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_mariadb(tmp_path: Path) -> None:
    with require(lambda: MariaDBServer({"innodb-flush-log-at-trx-commit": "0"})) as server:
        url = server.create_database("app")
        async with create_store(url) as owner:
            await owner.create_table()
            for statement in statements("MySQL and MariaDB"):
                server.execute(statement, url)
            as_app = urlsplit(url)._replace(netloc=f"app@127.0.0.1:{server.port}").geturl()
            async with create_store(as_app) as store:
                await use(store)
                other = create_store(store.config, table="other")
                with pytest.raises(DatabaseError):
                    await other.create_table()
                await other.aclose()
            await owner.set("key", "value")
        for statement in statements("MySQL and MariaDB: size of the table"):
            server.execute(statement, url)
        (tmp_path / ".my.cnf").write_text(f"[client]\nhost=127.0.0.1\nport={server.port}\nuser=root\n")
        commands = [line for line in block("Backup", "bash").splitlines() if line.startswith("mariadb-dump")]
        await run_shell(commands, tmp_path, {"HOME": str(tmp_path)})
        assert "INSERT INTO `litestar_session`" in (tmp_path / "sessions.sql").read_text()


async def run_shell(commands: list[str], folder: Path, environment: dict[str, str]) -> None:
    assert commands
    for command in commands:
        await asyncio.to_thread(
            subprocess.run, ["sh", "-c", command], cwd=folder, env={**os.environ, **environment}, check=True
        )
