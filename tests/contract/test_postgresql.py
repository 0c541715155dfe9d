"""What of the contract can only be shown with PostgreSQL's own means."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from asyncpg.types import ServerVersion
from sqlspec.adapters.asyncpg import AsyncpgConfig

from litestar_sqlstores import ConfigurationError, DatabaseError, create_store
from tests.backends import BACKENDS, Backend, Database, Stores, quoted_table, rows
from tests.contract.helpers import ALL, about
from tests.unit.threads import PATIENCE, LoopThread, in_thread
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.backends import Store
    from tests.conftest import Servers

ROLE = "litestar_sqlstores_limited"


@pytest.fixture(params=BACKENDS["postgresql"].formats)
def data_format(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database(servers: Servers) -> Database:
    backend: Backend = BACKENDS["postgresql"]
    return backend.database(servers.of(backend), None)  # type: ignore[arg-type]


def _config(dsn: str, pool_size: int, **settings: Any) -> AsyncpgConfig:
    return AsyncpgConfig(connection_config={"dsn": dsn, "min_size": 1, "max_size": pool_size, **settings})


@pytest.fixture
async def administrator(database: Database) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


@pytest.fixture
async def limited(database: Database, data_format: str, administrator: Any) -> AsyncIterator[Stores]:
    """Makes stores whose user may read and write rows and do nothing else."""

    config = partial(_config, database.url, server_settings={"role": ROLE})
    await administrator.execute(f"DROP ROLE IF EXISTS {ROLE}; CREATE ROLE {ROLE}")
    made = Stores(Database(config, database.url, database.table), data_format)
    yield made
    await made.close()
    await administrator.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


async def test_a_user_without_the_right_to_create_can_use_a_table_that_is_there(
    store: Store, limited: Stores, administrator: Any
) -> None:
    await administrator.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {quoted_table(store)} TO {ROLE}")
    user = limited()
    await asyncio.gather(*(user.create_table() for _ in range(8)))
    for operation in ALL.values():
        await operation(user, "key")
    await user.set("key", b"1", expires_in=100)
    assert await user.get("key", renew_for=200) == b"1"
    assert await user.expires_in("key") == about(200)


async def test_a_user_without_the_right_to_create_is_told_so(limited: Stores, administrator: Any) -> None:
    await administrator.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    user = limited()
    with pytest.raises(DatabaseError) as error:
        await user.create_table()
    assert isinstance(error.value.__cause__, asyncpg.InsufficientPrivilegeError)


async def test_a_user_without_rights_on_the_table_is_told_so(store: Store, limited: Stores) -> None:
    user = limited()
    for operation in ALL.values():
        with pytest.raises(DatabaseError) as error:
            await operation(user, "key")
        assert isinstance(error.value.__cause__, asyncpg.InsufficientPrivilegeError)


@asynccontextmanager
async def replaced_meanwhile(administrator: Any, store: Store, assignments: str) -> AsyncIterator[None]:
    """Change the only row in a transaction that ends only when somebody waits for it."""
    async with administrator.transaction():
        await administrator.execute(f"UPDATE {quoted_table(store)} SET {assignments}")
        yield
        await until(lambda: administrator.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


@pytest.mark.parametrize(
    "assignments, remaining",
    [
        ("expires_at = NULL", -1),
        ("expires_at = now() + interval '10 seconds'", about(10)),
        ("expires_at = now() - interval '1 second'", None),
    ],
    ids=["permanent", "sooner", "expired"],
)
@pytest.mark.parametrize("operation", ["get", "renew"])
async def test_a_renewal_that_waited_for_another_write_leaves_what_that_wrote(
    store: Store, administrator: Any, assignments: str, remaining: Any, operation: str
) -> None:
    await store.set("key", b"1", expires_in=100)
    call = partial(store.get if operation == "get" else store.renew, "key", 1000)
    async with replaced_meanwhile(administrator, store, assignments):
        renewal = asyncio.ensure_future(call())
    assert await renewal in {b"1", True}  # so it was when the call began
    assert await store.expires_in("key") == remaining


async def test_a_renewal_that_waited_for_a_removal_brings_nothing_back(store: Store, administrator: Any) -> None:
    await store.set("key", b"1", expires_in=100)
    async with administrator.transaction():
        await administrator.execute(f"DELETE FROM {quoted_table(store)}")
        renewal = asyncio.ensure_future(store.get("key", renew_for=1000))
        await until(lambda: administrator.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
    assert await renewal == b"1"
    assert await rows(store) == []


async def test_cleaning_up_passes_over_what_others_hold(store: Store, administrator: Any) -> None:
    await store.set_many({f"{number}": b"1" for number in range(20)}, expires_in=0.001)
    await asyncio.sleep(0.01)
    table = quoted_table(store)
    async with administrator.transaction():
        await administrator.execute(f"SELECT FROM {table} ORDER BY key_digest LIMIT 5 FOR UPDATE")
        async with asyncio.timeout(5):
            assert await store.delete_expired(batch_size=4) == 15
    assert await store.delete_expired() == 5


@pytest.fixture
async def own_database(database: Database, administrator: Any) -> AsyncIterator[Database]:
    """A database that no other test has used: what PostgreSQL counts, it counts for a database, and some time later."""
    name = f"own_{database.table}"
    await administrator.execute(f"CREATE DATABASE {name}")
    url = urlsplit(database.url)._replace(path=f"/{name}").geturl()
    yield Database(partial(_config, url), url, database.table)
    await administrator.execute(f"DROP DATABASE {name}")


@pytest.mark.parametrize("statement", ["get_and_renew", "renew", "renew_counted", "replace"])
@pytest.mark.parametrize("rows_there", [0, 100, 2000])
async def test_rows_to_update_are_locked_in_the_order_of_the_keys(
    store: Store, administrator: Any, rows_there: int, statement: str
) -> None:
    """Whatever the planner knows: joined as a whole, the table would be locked in the order of its pages."""
    for known in (False, True):
        await store.set_many({f"key {number}": b"1" * 500 for number in range(rows_there)}, expires_in=100)
        if known and rows_there:
            await administrator.execute(f"VACUUM ANALYZE {quoted_table(store)}")
        prepared = await administrator.prepare(store._backend.sql[statement])
        (plan,) = await prepared.explain(*([] for _ in prepared.get_parameters()))
        (lock,) = parts_of_plan(plan["Plan"], "LockRows" if statement == "replace" else "ModifyTable")
        (join,) = lock["Plans"]
        assert join["Node Type"] == "Nested Loop"
        given, row = (part["Node Type"] for part in join["Plans"])
        assert given in {"Subquery Scan", "CTE Scan"}
        assert row == "Index Scan"


def parts_of_plan(plan: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    if plan["Node Type"] == kind:
        yield plan
    for part in plan.get("Plans", ()):
        yield from parts_of_plan(part, kind)


async def test_batches_of_many_stores_never_deadlock(
    own_database: Database, data_format: str, administrator: Any
) -> None:
    """Rows are locked in the order of their keys, whatever the callers ask for."""
    # PostgreSQL looks for deadlocks after that time, a second by default.
    own_database.new_config = partial(_config, own_database.url, server_settings={"deadlock_timeout": "50ms"})
    stores = Stores(own_database, data_format)
    spaces = [stores(), *(stores(renew_tolerance=0) for _ in range(3))]
    await spaces[0].create_table()
    keys = [f"key {number}" for number in range(100)]
    for step in range(10):
        value = f"{step:500}"
        await asyncio.gather(
            *(space.set_many(dict.fromkeys(keys, value), expires_in=100) for space in spaces),
            *(space.renew_many(reversed(keys), 200 + step) for space in spaces),
            *(space.get_many(keys[::-1], renew_for=300 + step) for space in spaces),
            *(space.delete_many(keys[step::3]) for space in spaces),
            *(space.set_many(dict.fromkeys(reversed(keys), value), keep_ttl=True) for space in spaces),
            spaces[step % 4].delete_all(),
        )
    await stores.close()  # connections report what they counted when they end
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1"
    assert await administrator.fetchval(query, urlsplit(own_database.url).path[1:]) == 0


@asynccontextmanager
async def on(database: Database, **settings: Any) -> AsyncIterator[Stores]:
    """Makes stores whose connections have settings of their own."""

    made = Stores(Database(partial(_config, database.url, **settings), database.url, database.table), "bytes")
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"statement_cache_size": 0}, id="no prepared statements, as with PgBouncer"),
        pytest.param({"server_settings": {"timezone": "Asia/Kathmandu"}}, id="another time zone"),
        pytest.param({"server_settings": {"default_transaction_isolation": "serializable"}}, id="serializable"),
        pytest.param({"server_settings": {"default_transaction_isolation": "repeatable read"}}, id="repeatable read"),
        pytest.param({"server_settings": {"plan_cache_mode": "force_generic_plan"}}, id="generic plans"),
        pytest.param({"server_settings": {"enable_nestloop": "off", "enable_indexscan": "off"}}, id="other plans"),
        pytest.param({"server_settings": {"standard_conforming_strings": "off"}}, id="old strings"),
        pytest.param({"server_settings": {"DateStyle": "German", "IntervalStyle": "iso_8601"}}, id="other formats"),
    ],
)
async def test_the_settings_of_the_connection_do_not_matter(database: Database, settings: Any) -> None:
    async with on(database, **settings) as stores:
        one, other = stores(renew_tolerance=0), stores(renew_tolerance=0)
        await asyncio.gather(one.create_table(), other.create_table())

        async def caller(number: int) -> None:
            mine, key = (one, other)[number % 2], f"{number // 4}"
            for step in range(5):
                await mine.set(key, f"{number}", expires_in=1000)
                assert int(await mine.get(key, renew_for=2000 + step) or -1) // 4 == number // 4
                # Three others set and renew the same key meanwhile, on a machine that may be busy.
                assert await mine.expires_in(key) in [about(1000, within=60), about(2004, within=60)]
                await mine.increment("together")

        await asyncio.gather(*map(caller, range(64)))
        assert await one.get("together") == b"320"
        await one.set_many({"a": b"1", "b": b"1"}, expires_in=0.001)
        await asyncio.sleep(0.01)
        assert await other.delete_expired() == 2
        await other.delete_all()
        assert await rows(one) == []


async def test_the_application_may_change_the_table_meanwhile(store: Store, administrator: Any) -> None:
    await store.set("key", b"1", expires_in=100)
    await administrator.execute(f"ALTER TABLE {quoted_table(store)} ADD COLUMN note text DEFAULT 'none'")
    for operation in ALL.values():
        await operation(store, "key")


@pytest.fixture(autouse=True)
def rights_are_given_back(servers: Servers) -> Iterator[None]:
    yield
    asyncio.run(_grant(servers.of(BACKENDS["postgresql"])))


async def _grant(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    await connection.close()


async def test_a_server_that_is_too_old_is_refused_at_the_first_use(
    database: Database, data_format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with create_store(database.url, table=database.table, data_format=data_format) as store:
        with monkeypatch.context() as patch:
            patch.setattr(asyncpg.Connection, "get_server_version", lambda _: ServerVersion(11, 22, 0, "final", 0))
            for call in (store.create_table(), store.get("key")):
                with pytest.raises(
                    ConfigurationError, match=r"PostgreSQL 11\.22, which is too old; .* needs 12 or later"
                ):
                    await call
        await store.create_table()
        assert await store.get("key") is None


def test_threads_that_use_a_store_in_turn_share_its_connections(database: Database, data_format: Any) -> None:
    name = f"litestar_sqlstores_threads_{data_format}"

    async def connections() -> int:
        found = await asyncpg.connect(dsn)
        try:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
            count: int = await found.fetchval(query, name)
            return count
        finally:
            await found.close()

    async def use() -> None:
        await asyncio.gather(*(store.get(str(number)) for number in range(300)))

    dsn = database.url
    store = create_store(
        f"{dsn}{'&' if '?' in dsn else '?'}application_name={name}",
        table=database.table,
        data_format=data_format,
        max_connections=4,
    )
    most = 0
    with LoopThread() as one, LoopThread() as other:
        one.call(store.create_table)
        for _ in range(10):
            for thread in (one, other):
                thread.call(use)
                in_thread(lambda: asyncio.run(use())).result(PATIENCE)
                most = max(most, asyncio.run(connections()))
        assert 1 <= most <= 4
    # asyncio.run closes what it opens, though nobody has closed the store.
    for _ in range(3):
        asyncio.run(use())

    async def all_gone() -> bool:
        return await connections() == 0

    asyncio.run(until(all_gone))


async def test_a_pool_serves_the_event_loop_that_it_was_opened_in(database: Database, data_format: Any) -> None:
    async with on(database) as stores:
        store = stores()
        await store.create_table()
        # The application's own query has opened the pool, or the store has: its calls are made here.
        assert await asyncio.to_thread(lambda: asyncio.run(store.get("key"))) is None
        pool = store.config.connection_instance
        assert pool is not None
        other = stores.on(store.config, table=database.table)
        assert await asyncio.to_thread(lambda: asyncio.run(other.get("key"))) is None
        assert store.config.connection_instance is pool


def test_the_pool_of_a_config_that_the_store_opens_unasked_ends_with_its_event_loop(
    database: Database, data_format: Any
) -> None:
    config = database.new_config(5)
    store = create_store(config, table=database.table, data_format=data_format)

    async def use(*, close: bool) -> None:
        await store.create_table()
        if close:
            await store.aclose()
            assert config.connection_instance is not None

    for close in (False, True, False):
        asyncio.run(use(close=close))
        assert config.connection_instance is None
