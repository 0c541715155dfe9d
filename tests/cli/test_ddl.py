"""`litestar stores ddl`: what it prints is what the stores run, and what the databases take."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import create_store
from litestar_sqlstores.ddl import DIALECTS, create_table, native_ttl
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.settings import Settings
from litestar_sqlstores.statements import load_statements
from tests.backends import rows
from tests.cli.processes import ROOT, Processes
from tests.oracle.lint import unparsable
from tests.servers import MariaDBServer, SpannerEmulator, postgres_from_environment_or_private, require
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

URLS = {
    "mariadb": "mysql://user@localhost/app",
    "mysql": "mysql://user@localhost/app",
    "oracle": "oracle://user:password@localhost/?service_name=app",
    "postgresql": "postgresql://user@localhost/app",
    "spanner": "spanner://localhost:1/projects/p/instances/i/databases/d",
    "sqlite": "sqlite://",
}

# Runs `ddl` for each database in an application on SQLite, where no other driver can be imported.
WITHOUT_DRIVERS = """
import json, sys
for driver in ("asyncpg", "aiomysql", "asyncmy", "pymysql", "oracledb", "google.cloud.spanner_v1"):
    sys.modules[driver] = None
from click.testing import CliRunner
from litestar.cli._utils import LitestarEnv
from litestar_sqlstores.cli import stores_group
from litestar_sqlstores.ddl import DIALECTS
from tests.cli.app import make_app
app = make_app([{"config_or_url": "sqlite:////nowhere/app.db", "table": "sessions"}])
env = LitestarEnv(app_path="", app=app, cwd=None)
run = lambda dialect: CliRunner().invoke(stores_group, ["ddl", "--json", "--dialect", dialect], obj=env)
print(json.dumps({dialect: json.loads(run(dialect).stdout) for dialect in DIALECTS}))
"""


@pytest.mark.parametrize("data_format", ["bytes", "json"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_is_what_the_store_runs(dialect: str, data_format: Any) -> None:
    options: dict[str, Any] = {"table": "app.sessions", "data_format": data_format}
    special: dict[str, dict[str, Any]] = {"oracle": {"in_memory": True}, "spanner": {"shard_count": 4}}
    options |= special.get(dialect, {})
    store = create_store(URLS[dialect], **options)
    backend = store._backend
    if dialect == "mysql":  # a server says which of the two it is
        backend._server = "MySQL"  # type: ignore[attr-defined]
    elif dialect == "oracle":
        backend._has_json_type = True  # type: ignore[attr-defined]
    assert DIALECTS[dialect].quote == backend.quote
    assert DIALECTS[dialect].file == backend.dialect
    assert DIALECTS[dialect].variants(store.settings) == backend.variants()
    sql = load_statements(backend.dialect, backend.table, backend.variants(), backend.quote)["create_table"]
    sql = sql.replace("@shard_count", str(store.settings.shard_count))
    assert create_table(dialect, store.settings) == [statement.strip() for statement in sql.split(";")]


@pytest.mark.slow
def test_no_driver_and_no_database_is_needed() -> None:
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRIVERS],
        env=Processes(ROOT).environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    printed = json.loads(process.stdout)
    settings = Settings(table="sessions")
    for dialect in DIALECTS:
        document = {"dialect": dialect, "table": "sessions", "statements": create_table(dialect, settings)}
        assert printed[dialect] == document


# -- what the databases do with it


async def expired(url: str, settings: Settings) -> Any:
    """A store, with an entry that has expired and one that has not, in a table that the DDL has made."""
    store = create_store(url, table=settings.table)
    await store.check_table()
    await store.set("expired", "value", expires_in=0.001)
    await store.set("live", "value", expires_in=3600)
    return store


async def is_cleaned(store: Any) -> bool:
    return len(await rows(store, "namespace")) == 1


def test_sqlite_takes_it_and_has_no_scheduler(tmp_path: Path) -> None:
    import sqlite3

    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.executescript(";".join(create_table("sqlite", Settings())))
        assert connection.execute("SELECT count(*) FROM litestar_session").fetchone() == (0,)
    with pytest.raises(ConfigurationError, match="sqlite has no scheduler; leave cleanup to"):
        native_ttl("sqlite", Settings())


PG_CRON = """
    CREATE SCHEMA cron;
    CREATE FUNCTION cron.schedule(name text, schedule text, command text) RETURNS bigint LANGUAGE plpgsql AS
      'BEGIN EXECUTE command; RETURN 1; END'
"""


@pytest.mark.slow
async def test_postgresql_runs_the_job_of_pg_cron() -> None:
    """pg_cron itself is a mock here: a function that runs the command of the job at once."""
    settings = Settings(table="jobs.sessions")
    with require(postgres_from_environment_or_private) as server:
        url = server.create_database()
        server.execute("CREATE SCHEMA jobs; " + PG_CRON, url)
        server.execute(";".join(create_table("postgresql", settings)), url)
        async with await expired(url, settings) as store:
            await until(lambda: _job_has_cleaned(server, url, settings, store))


async def _job_has_cleaned(server: Any, url: str, settings: Settings, store: Any) -> bool:
    server.execute(native_ttl("postgresql", settings), url)
    return await is_cleaned(store)


@pytest.mark.slow
async def test_mariadb_runs_the_event() -> None:
    settings = Settings(table="sessions")
    with require(lambda: MariaDBServer({"event-scheduler": "ON", "innodb-flush-log-at-trx-commit": "0"})) as server:
        url = server.create_database()
        for statement in create_table("mariadb", settings):
            server.execute(statement, url)
        async with await expired(url, settings) as store:
            server.execute(native_ttl("mariadb", settings), url)
            await until(lambda: is_cleaned(store))
            server.execute(native_ttl("mariadb", settings), url)  # a second time changes nothing


@pytest.mark.slow
async def test_spanner_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(table="sessions")
    with require(SpannerEmulator) as emulator:
        url = emulator.create_database(*create_table("spanner", settings), native_ttl("spanner", settings))
        async with create_store(url, table="sessions") as store:
            await store.check_table()


@pytest.mark.parametrize("table", ["sessions", "APP.sessions"])
def test_the_job_of_oracle_holds_statements_that_can_be_parsed(table: str) -> None:
    """There is no server here to run it."""
    job = native_ttl("oracle", Settings(table=table))
    block, _, rest = job.partition("q'[")[2].partition("]'")
    delete, commit = block.removeprefix("BEGIN").removesuffix("END;").strip().removesuffix(";").split(";")
    assert unparsable(delete.strip()) is None
    assert commit.strip() == "COMMIT"
    assert job.startswith("BEGIN\n  DBMS_SCHEDULER.CREATE_JOB(")
    assert rest.endswith("END;\n/")
