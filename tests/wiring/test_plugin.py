"""SQLStoresPlugin: what it puts into an application, and what it does while the application lives."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from litestar import Litestar, get, post
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import NamedDependency
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.stores.memory import MemoryStore
from litestar.stores.registry import StoreRegistry

from litestar_sqlstores import (
    BaseSQLSpecStore,
    SQLSessionConfig,
    SQLStoresPlugin,
    create_store,
)
from litestar_sqlstores.errors import ClosedError, MissingTableError, SchemaError
from tests.backends import quoted_table, rows
from tests.wiring.helpers import AnyRequest, Browser, new_plugin, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Database, Stores

InjectedStore: TypeAlias = NamedDependency[BaseSQLSpecStore[Any]]

on_every_backend = [pytest.mark.needs("processes"), pytest.mark.formats("bytes")]


def every_backend(test: Any) -> Any:
    """Run a test on every database, with one format of data."""
    for mark in on_every_backend:
        test = mark(test)
    return test


@get("/")
async def read(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@post("/write")
async def write(request: AnyRequest) -> None:
    request.session.update(await request.json())


# -- what is registered


@every_backend
async def test_everything_that_litestar_keeps_has_a_namespace_of_one_table(plugin: SQLStoresPlugin) -> None:
    @get("/cached", cache=100)
    async def cached() -> int:
        return next(made)

    made = itertools.count(1)
    limit = RateLimitConfig(("minute", 100), exclude=["^/write", "^/$"])
    options: Any = {"response_cache_config": ResponseCacheConfig(), "middleware": [limit.middleware]}
    async with serve(plugin, [read, write, cached], SQLSessionConfig(), **options) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        assert [await ada.read("/cached") for _ in range(2)] == [1, 1]
        await site.store("mine").set("key", "value")
        assert {row["namespace"] for row in await site.rows("namespace")} == {
            f"LITESTAR_{name}" for name in ("sessions", "response_cache", "rate_limit", "mine")
        }
        # Clearing one clears no other.
        await site.store("response_cache").delete_all()
        assert await ada.read("/cached") == 2
        assert await ada.read() == {"name": "Ada"}
        await plugin.store.delete_all()
        assert await site.rows() == []


@every_backend
async def test_handlers_get_the_store(plugin: SQLStoresPlugin) -> None:
    @get("/total")
    async def total(sql_store: InjectedStore) -> int:
        return await sql_store.with_namespace("totals").increment("visits", 2)

    async with serve(plugin, [total]) as site:
        assert [await site.browser().read("/total") for _ in range(2)] == [2, 4]
        assert await site.store("totals").get("visits") == b"4"


def test_only_what_is_asked_for_is_registered() -> None:
    memory = MemoryStore()
    stores: dict[str, Any] = {"memory": memory}
    plugin = SQLStoresPlugin("sqlite://", names=["sessions", "flags"], default=False, dependency=None)
    app = Litestar([], plugins=[plugin], stores=stores)
    assert isinstance(app.stores.get("sessions"), BaseSQLSpecStore)
    assert isinstance(app.stores.get("flags"), BaseSQLSpecStore)
    assert isinstance(app.stores.get("other"), MemoryStore)
    assert app.stores.get("memory") is memory
    assert "sql_store" not in app.dependencies
    assert stores == {"memory": memory}, "the application's dict is not ours to change"


def test_a_registry_of_the_applications_is_used() -> None:
    registry = StoreRegistry({"memory": MemoryStore()})
    app = Litestar([], plugins=[SQLStoresPlugin("sqlite://", namespace="MINE")], stores=registry)
    assert app.stores is registry
    store: Any = registry.get("anything")
    assert store.namespace == "MINE_anything"


@every_backend
async def test_two_plugins_on_two_tables(database: Database, data_format: str) -> None:
    def plugin(name: str, **options: Any) -> SQLStoresPlugin:
        return SQLStoresPlugin(database.url, table=f"{database.table}_{name}", names=[name], **options)

    first, second = plugin("sessions"), plugin("audit", default=False, dependency="audit_store")

    @get("/both")
    async def both(sql_store: InjectedStore, audit_store: NamedDependency[BaseSQLSpecStore[Any]]) -> bool:
        return sql_store is not audit_store

    async with serve(first, [both], plugins=[second]) as site:
        await site.store("audit").set("key", "value")
        assert await site.browser().read("/both") is True
        assert len(await rows(second.store)) == 1
        assert await site.rows() == []


# -- the table


@every_backend
async def test_the_table_is_made_once(database: Database, data_format: str) -> None:
    for _ in range(2):
        async with serve(new_plugin(database, data_format), [read, write], SQLSessionConfig()) as site:
            await site.browser().do("/write", a=1)
    async with serve(new_plugin(database, data_format, create_table="check"), []) as site:
        assert len(await site.rows()) == 2
    async with serve(new_plugin(database, data_format, create_table=False), []) as site:
        assert len(await site.rows()) == 2


@every_backend
async def test_a_missing_table_is_named_at_start_up(database: Database, data_format: str) -> None:
    with pytest.raises(MissingTableError) as error:
        async with serve(new_plugin(database, data_format, create_table="check"), []):
            pass
    assert str(error.value) == (f"table '{database.table}' does not exist; create it with `await store.create_table()`")
    # Nothing was made, and without a look at it nothing fails until it is used.
    async with serve(new_plugin(database, data_format, create_table=False), []) as site:
        with pytest.raises(MissingTableError):
            await site.store().get("key")


@every_backend
@pytest.mark.parametrize("create_table", [True, "check"])
async def test_a_table_of_another_shape_stays_as_it_is(
    database: Database, data_format: str, stores: Stores, create_table: bool | str
) -> None:
    other = stores(data_format="json")
    await other.create_table()
    await other.set("key", "1")
    with pytest.raises(SchemaError) as error:
        async with serve(new_plugin(database, data_format, create_table=create_table), []):
            pass
    what, _, todo = str(error.value).partition(". ")
    assert what.startswith(
        f"table '{database.table}' is no table of litestar-sqlstores with data_format={data_format!r}"
    )
    assert ": column data is " in what
    assert todo == "Give the store another table, or drop this one if nothing needs it"
    assert await other.get("key") == b"1"


# -- life


@every_backend
async def test_the_applications_own_lifespans_and_hooks_can_use_the_stores(plugin: SQLStoresPlugin) -> None:
    seen: list[bytes | None] = []

    def store(app: Litestar) -> Any:
        return app.stores.get("mine")

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        await store(app).set("key", "from a lifespan")
        yield
        seen.append(await store(app).get("key"))

    async def on_startup(app: Litestar) -> None:
        seen.append(await store(app).get("key"))
        await store(app).set("key", "from a hook")

    async with serve(plugin, [], lifespan=[lifespan], on_startup=[on_startup]):
        pass
    assert seen == [b"from a lifespan", b"from a hook"]


@every_backend
async def test_the_pool_is_closed_with_the_application(plugin: SQLStoresPlugin) -> None:
    async with serve(plugin, [read, write], SQLSessionConfig()) as site:
        await site.browser().do("/write", a=1)
        await site.store("made_later").set("key", "value")
        assert plugin.store.config.connection_instance is not None
    assert plugin.store.config.connection_instance is None
    with pytest.raises(ClosedError):
        await plugin.store.get("key")


@every_backend
async def test_a_pool_that_is_not_ours_stays_open(stores: Stores, database: Database) -> None:
    config = stores().config
    async with serve(SQLStoresPlugin(config, table=database.table), [read, write], SQLSessionConfig()) as site:
        await site.browser().do("/write", a=1)
        pool = config.connection_instance
    assert config.connection_instance is pool
    async with config.provide_session() as session:
        assert await session.select_value(f"SELECT count(*) FROM {quoted_table(stores.on(config))}") == 1


async def test_an_application_that_does_not_start_leaves_nothing_open(tmp_path: Any) -> None:
    @asynccontextmanager
    async def broken(_: Litestar) -> AsyncIterator[None]:
        msg = "no"
        raise RuntimeError(msg)
        yield

    plugin = SQLStoresPlugin(f"sqlite:///{tmp_path}/app.db")
    with pytest.raises(RuntimeError):
        async with serve(plugin, [], lifespan=[broken]):
            pass
    assert plugin.store.config.connection_instance is None


async def test_one_plugin_serves_one_application_after_the_other(tmp_path: Any) -> None:
    plugin = SQLStoresPlugin(f"sqlite:///{tmp_path}/app.db")
    for number in (1, 2):
        async with serve(plugin, [read, write], SQLSessionConfig()) as site:
            await site.browser().do("/write", a=1)
            assert len(await site.rows()) == number


async def test_a_store_without_the_plugin_will_do(tmp_path: Any) -> None:
    store = create_store(f"sqlite:///{tmp_path}/app.db")
    app = Litestar(
        [read, write],
        stores={"sessions": store},
        on_startup=[store.create_table],
        middleware=[SQLSessionConfig().middleware],
    )
    async with app.lifespan():
        ada = Browser(app)
        await ada.do("/write", name="Ada")
        assert await ada.read() == {"name": "Ada"}
