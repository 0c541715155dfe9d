"""Beside Litestar's SQLAlchemyPlugin, with one URL for both, and beside Piccolo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from advanced_alchemy.extensions.litestar import SQLAlchemyAsyncConfig, SQLAlchemyPlugin
from litestar import get, post
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import NamedDependency
from piccolo.columns import Integer
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine
from piccolo.table import create_table_class
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql import select

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin
from tests.backends import BACKENDS
from tests.wiring.helpers import AnyRequest, new_plugin, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.backends import Database
    from tests.conftest import Servers

InjectedSession: TypeAlias = NamedDependency[AsyncSession]
DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mysql": "aiomysql", "mariadb": "aiomysql"}


@pytest.mark.needs("processes", "pool")
@pytest.mark.formats("bytes")
@pytest.mark.parametrize("ours_first", [False, True], ids=["SQLAlchemy first", "ours first"])
async def test_beside_sqlalchemy(database: Database, data_format: str, ours_first: bool) -> None:
    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = f"{database.table}_notes"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    @post("/notes/{number:int}")
    async def add(request: AnyRequest, db_session: InjectedSession) -> int:
        """One request that writes through both, each in its own transaction."""
        request.session["count"] = request.session.get("count", 0) + 1
        db_session.add(Note(id=request.path_params["number"]))
        await db_session.flush()
        if request.path_params["number"] < 0:
            raise RuntimeError
        return int(request.session["count"])

    @get("/notes", cache=True)
    async def notes(db_session: InjectedSession) -> list[int]:
        return list(await db_session.scalars(select(Note.id).order_by(Note.id)))

    # The string that the application already has will do for both.
    scheme, _, rest = database.url.partition("://")
    url = database.url if "+" in scheme else f"{scheme}+{DRIVERS[scheme]}://{rest}"
    config = SQLAlchemyAsyncConfig(
        connection_string=url, create_all=True, metadata=Base.metadata, before_send_handler="autocommit"
    )
    # The second config of a process gets another key here, under which its engine is not found to be disposed of.
    config.engine_app_state_key = config.engine_dependency_key
    sqlalchemy = SQLAlchemyPlugin(config)
    ours = SQLStoresPlugin(url, table=database.table, timeout=5)
    options: dict[str, Any] = {"response_cache_config": ResponseCacheConfig()}
    options["plugins" if ours_first else "plugins_before"] = [sqlalchemy]
    async with serve(ours, [add, notes], SQLSessionConfig(), **options) as site:
        ada = site.browser()
        assert await ada.do("/notes/1") == 1
        assert (await ada.post("/notes/-1")).status_code == 500
        assert await ada.do("/notes/2") == 3
        assert await ada.read("/notes") == [1, 2]
        await ada.do("/notes/3")
        assert await ada.read("/notes") == [1, 2], "the response is cached"
        await site.store("response_cache").delete_all()
        assert await ada.read("/notes") == [1, 2, 3]
        assert len(await site.rows()) == 2


@pytest.mark.parametrize("name", ["sqlite-file", "postgresql"])
async def test_beside_piccolo(name: str, servers: Servers, tmp_path: Path) -> None:
    database = BACKENDS[name].database(servers.of(BACKENDS[name]), tmp_path)
    engine: Any
    if name == "postgresql":
        engine = PostgresEngine(config={"dsn": database.url})
    else:
        engine = SQLiteEngine(path=database.url.removeprefix("sqlite:///"))
    note: Any = create_table_class(
        f"Notes{database.table}", class_kwargs={"db": engine}, class_members={"number": Integer()}
    )

    @post("/notes/{number:int}")
    async def add(request: AnyRequest) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        async with note._meta.db.transaction():
            await note.insert(note(number=request.path_params["number"]))
        return int(request.session["count"])

    @get("/notes")
    async def notes() -> list[int]:
        return [row["number"] for row in await note.select(note.number).order_by(note.number)]

    async with serve(new_plugin(database, "bytes"), [add, notes], SQLSessionConfig()) as site:
        await note.create_table()
        ada = site.browser()
        assert [await ada.do(f"/notes/{number}") for number in (1, 2)] == [1, 2]
        assert await ada.read("/notes") == [1, 2]
        assert len(await site.rows()) == 1
