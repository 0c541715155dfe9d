"""One pool with SQLSpecPlugin: both plugins in one application, in either order."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from litestar import Litestar, post
from litestar.channels import ChannelsPlugin
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from sqlspec.base import SQLSpec
from sqlspec.extensions.litestar import SQLSpecPlugin
from sqlspec.extensions.litestar.channels import SQLSpecChannelsBackend

from litestar_sqlstores import BaseSQLSpecStore, SQLSessionConfig, SQLStoresPlugin
from litestar_sqlstores.errors import ConfigurationError, SchemaError, StoreTimeoutError
from tests.backends import rows
from tests.wiring.helpers import AnyRequest, Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.backends import Backend, Database

pytestmark = [pytest.mark.needs("processes", "pool"), pytest.mark.formats("bytes")]

InjectedSession: TypeAlias = NamedDependency[SkipValidation[Any]]
InjectedStore: TypeAlias = NamedDependency[BaseSQLSpecStore[Any]]


class Given:
    """A database, and configs of it as an application of SQLSpec has them."""

    def __init__(self, database: Database, data_format: str, folder: Path) -> None:
        self._database = database
        self._data_format = data_format
        self.folder = folder
        self.table = database.table
        self.notes = f"{database.table}_notes"

    def config(self, pool_size: int = 5, **extensions: Any) -> Any:
        plain = self._database.new_config(pool_size)
        ours = {"table": self.table, "data_format": self._data_format}
        return type(plain)(
            connection_config=dict(plain.connection_config),
            extension_config={"litestar_sqlstores": ours, **extensions},
            migration_config={"script_location": str(self.folder), "version_table_name": f"{self.table}_versions"},
        )


@pytest.fixture
def given(database: Database, data_format: str, tmp_path: Path) -> Given:
    return Given(database, data_format, tmp_path / "migrations")


class Application:
    """Notes in a table of their own, through SQLSpec's sessions, and a counter in the session."""

    def __init__(
        self, config: Any, notes: str, *, ours_first: bool = False, channels: bool = False, **options: Any
    ) -> None:
        self.config = config
        self.notes = notes
        self.errors: list[Exception] = []
        spec = SQLSpec()
        spec.add_config(config)
        self.sqlspec = SQLSpecPlugin(spec)
        self.plugin = SQLStoresPlugin(**options)
        self.channels = ChannelsPlugin(
            SQLSpecChannelsBackend(spec.event_channel(config), poll_interval=0.02), channels=["news"]
        )
        others = [self.channels] if channels else []
        plugins = [self.plugin, self.sqlspec] if ours_first else [self.sqlspec, self.plugin]
        self.app = Litestar(
            [self.injected(), self.requested()],
            plugins=[*plugins, *others],
            middleware=[SQLSessionConfig().middleware],
            after_exception=[self.after_exception],
            logging_config=None,
        )

    async def after_exception(self, error: Exception, _: Any) -> None:
        self.errors.append(error)

    def injected(self) -> Any:
        @post("/injected/{number:int}")
        async def injected(request: AnyRequest, db_session: InjectedSession) -> int:
            request.session["count"] = request.session.get("count", 0) + 1
            number: int = request.path_params["number"]
            await db_session.begin()
            await db_session.execute(f"INSERT INTO {self.notes} VALUES ({number})")
            await (db_session.commit() if number > 0 else db_session.rollback())
            return int(request.session["count"])

        return injected

    def requested(self) -> Any:
        @post("/requested/{number:int}")
        async def requested(request: AnyRequest) -> int:
            """With a connection that is held until the response begins, and committed if it is a good one."""
            session = await self.sqlspec.provide_request_session_async(self.config, request.app.state, request.scope)
            request.session["count"] = request.session.get("count", 0) + 1
            await session.begin()
            await session.execute(f"INSERT INTO {self.notes} VALUES ({request.path_params['number']})")
            if request.path_params["number"] < 0:
                raise RuntimeError
            return int(request.session["count"])

        return requested

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Browser]:
        async with self.app.lifespan():
            await self.execute(f"CREATE TABLE {self.notes} (id INTEGER NOT NULL PRIMARY KEY)")
            yield Browser(self.app)

    async def execute(self, sql: str) -> None:
        async with self.config.provide_session() as session:
            await session.execute_script(sql)

    async def found(self) -> list[int]:
        async with self.config.provide_session() as session:
            found = await session.select(f"SELECT id FROM {self.notes} ORDER BY id")
            await session.commit()
        return [row["id"] for row in found]


@pytest.mark.parametrize("ours_first", [False, True], ids=["SQLSpec first", "ours first"])
async def test_one_pool_serves_both(given: Given, ours_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = given.config()
    # Found in SQLSpecPlugin, or given as well.
    options: dict[str, Any] = {"config_or_url": config} if ours_first else {}
    application = Application(config, given.notes, ours_first=ours_first, cleanup=0.01, **options)
    created: list[Any] = []
    create_pool = type(config).create_pool

    async def count_pools(config: Any) -> Any:
        created.append(await create_pool(config))
        return created[-1]

    monkeypatch.setattr(type(config), "create_pool", count_pools)
    async with application.serve() as ada:
        assert [await ada.do(f"/injected/{number}") for number in (1, -1, 2)] == [1, 2, 3]
        assert await application.found() == [1, 2]
        assert application.plugin.store.config is config
        assert len(await rows(application.plugin.store)) == 1
        assert application.app.state["db_pool"] is config.connection_instance
        assert {id(pool) for pool in created} == {id(config.connection_instance)}
    assert config.connection_instance is None


@pytest.mark.parametrize("ours_first", [False, True], ids=["SQLSpec first", "ours first"])
async def test_sessions_are_stored_when_sqlspec_has_committed(
    given: Given, ours_first: bool, backend: Backend, request: pytest.FixtureRequest
) -> None:
    """SQLite, for one, has one writer: to store the session first would be to wait for oneself."""
    if backend.name == "postgresql":
        reason = "SQLSpec 0.69 commits by a method that connections of asyncpg do not have"
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    config = given.config(litestar={"commit_mode": "autocommit"})
    application = Application(config, given.notes, ours_first=ours_first, timeout=2)
    async with application.serve() as ada:
        assert await ada.do("/requested/1") == 1
        assert (await ada.post("/requested/-1")).status_code == 500
        assert [type(error) for error in application.errors] == [RuntimeError]
        assert await ada.do("/requested/2") == 3
        assert await application.found() == [1, 2]


async def test_who_waits_for_a_connection_of_a_pool_that_is_used_up_is_told_what_to_do(given: Given) -> None:
    """As a handler does that calls the store while it and others like it hold every connection."""
    config = given.config(pool_size=3)
    application = Application(config, given.notes, timeout=0.5, cleanup=False)
    store = application.plugin.store
    async with application.serve():
        async with AsyncExitStack() as held:
            for _ in range(3):
                await held.enter_async_context(config.provide_connection())
            with pytest.raises(StoreTimeoutError, match="if its pool is used up, enlarge it"):
                await store.set("key", "value")
        await store.set("key", "another value")
        assert await store.get("key") == b"another value"


@pytest.mark.needs("several writers")  # the channels look into their queue all the time, in transactions that write
async def test_channels_of_sqlspec_beside_ours(given: Given) -> None:
    config = given.config(events={"queue_table": f"{given.table}_events"})
    await config.migrate_up(echo=False)
    application = Application(config, given.notes, ours_first=True, channels=True)
    async with application.serve() as ada, application.channels.start_subscription(["news"]) as subscriber:
        assert await ada.do("/injected/1") == 1

        received = asyncio.Event()

        async def publish() -> None:
            # Again and again, for there is no telling when the subscription listens.
            while not received.is_set():
                await application.channels.wait_published({"news": "good"}, ["news"])
                await asyncio.sleep(0.1)

        # Not to be cancelled: that crashes coroutines compiled by mypyc (python/mypy#12867), which SQLSpec's are.
        publishing = asyncio.create_task(publish())
        async for event in subscriber.iter_events():
            assert event == b'{"news":"good"}'
            break
        received.set()
        await publishing


# -- `litestar db`


def write_migration(folder: Path, table: str) -> None:
    folder.mkdir()
    (folder / "0001_notes.sql").write_text(
        f"-- name: migrate-0001-up\nCREATE TABLE {table} (id INTEGER NOT NULL PRIMARY KEY);\n"
        f"-- name: migrate-0001-down\nDROP TABLE {table};\n"
    )


async def test_the_database_commands_of_sqlspec_beside_ours(given: Given, database: Database) -> None:
    write_migration(given.folder, given.notes)
    environment = {**os.environ, "URL": database.url, "TABLE": given.table, "MIGRATIONS": str(given.folder)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "litestar", "--app", "tests.wiring.app_beside_sqlspec:app"),
        *("db", "upgrade", "--no-prompt"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"Traceback" not in output, output.decode()
    application = Application(given.config(), given.notes)
    async with application.app.lifespan():
        assert await application.found() == []
        assert await rows(application.plugin.store) == []


# -- bad input


def test_several_configs_are_ambiguous(given: Given) -> None:
    spec = SQLSpec()
    for name in ("a", "b"):
        names = {f"{part}_key": f"{name}_{part}" for part in ("session", "connection", "pool")}
        spec.add_config(given.config(litestar=names))
    with pytest.raises(ConfigurationError) as error:
        Litestar([], plugins=[SQLSpecPlugin(spec), SQLStoresPlugin()])
    assert str(error.value) == (
        "the application has 2 configs in SQLSpecPlugin; give SQLStoresPlugin the config or URL of its database"
    )


async def test_a_session_table_that_sqlspec_has_made_is_named_at_start_up(given: Given) -> None:
    """`session_table` makes its migrations create a table of that name, in a shape of its own."""
    config = given.config(litestar={"session_table": given.table}, litestar_sqlstores={})
    await config.migrate_up(echo=False)
    application = Application(config, given.notes)
    with pytest.RaisesGroup(pytest.RaisesExc(SchemaError, match=f"'{given.table}' is no table of litestar-sqlst")):
        async with application.serve():
            pass
    assert config.connection_instance is None
