"""What a server may have its sessions begin with: the store gets its own, or says what it cannot do with."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ConfigurationError, create_store
from tests.databases.mysql.clients import KEYS, client, configured, opened
from tests.databases.mysql.servers import Disguised
from tests.servers import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SETTINGS = {
    "sql_select_limit": "1",
    "sql_safe_updates": "1",
    "sql_big_selects": "0",
    "max_join_size": "1",
    "completion_type": "'CHAIN'",
    "autocommit": "0",
    "transaction": "ISOLATION LEVEL SERIALIZABLE",
    "access mode": "READ ONLY",
    "sql_mode": "'ANSI,ONLY_FULL_GROUP_BY,NO_BACKSLASH_ESCAPES'",
    "time_zone": "'-11:30'",
    "innodb_default_row_format": "'compact'",
    "innodb_lock_wait_timeout": "1",
    "character_set_server": "'latin1'",
    "collation_server": "'latin1_swedish_ci'",
}
OF_TRANSACTIONS = ("transaction", "access mode")


@pytest.fixture(params=["aiomysql", pytest.param("asyncmy", marks=pytest.mark.thorough)])
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@asynccontextmanager
async def with_global(url: str, name: str, value: str) -> AsyncIterator[None]:
    """Have sessions begin with a setting."""
    async with client(url) as execute:
        if name in OF_TRANSACTIONS:
            before = "ISOLATION LEVEL REPEATABLE READ, READ WRITE"
            change, undo = (f"SET GLOBAL TRANSACTION {text}" for text in (value, before))
        else:
            ((given,),) = await execute(f"SELECT @@GLOBAL.{name}")
            given = f"'{given}'" if isinstance(given, str) else given
            change, undo = (f"SET GLOBAL {name} = {text}" for text in (value, given))
        await execute(change)
        try:
            yield
        finally:
            # Not on a connection that the setting is for.
            await execute(undo)


@pytest.mark.parametrize("name", SETTINGS)
async def test_any_setting_of_the_server_will_do(url: str, driver: str, name: str) -> None:
    creates = name not in OF_TRANSACTIONS
    url = url.replace("mysql:", f"mysql+{driver}:")
    if not creates:  # a table is for whoever may create one, and is there before
        async with opened(url):
            pass
    async with with_global(url.replace(f"+{driver}", ""), name, SETTINGS[name]), create_store(url) as store:
        if creates:
            await store.create_table()
        await store.check_table()
        # Alone and together, and what is to be renewed: nothing may be missing.
        await asyncio.gather(*(store.set(key, b"1", expires_in=600, owner="ada") for key in KEYS))
        assert set(await store.get_many(KEYS, renew_for=1200)) == set(KEYS)
        assert await asyncio.gather(*(store.get(key) for key in KEYS)) == [b"1"] * len(KEYS)
        assert len(await store.list_owned("ada")) == len(KEYS)
        assert await store.increment("number", 5) == 5
        assert await store.increment("number", 5) == 10
        assert await asyncio.gather(*(store.replace(key, b"2", expected=b"1") for key in KEYS)) == [True] * len(KEYS)
        ((_, stats),) = [(each.namespace, each) for each in await store.stats()]
        assert stats.live == len(KEYS) + 1
        await store.delete(KEYS[0])
        await store.delete_many(KEYS[1:3])
        assert await store.delete_owned("ada", keep=KEYS[5]) == 0  # nobody owns what was replaced
        await store.set_many(dict.fromkeys(KEYS, b"3"), expires_in=0.001)
        assert await store.delete_expired() == len(KEYS)
        await store.delete_all()
        assert await store.get("number") is None


@pytest.mark.parametrize("value", ["0", "1"])
async def test_a_limit_of_the_callers_session_hides_nothing_and_stays(url: str, value: str) -> None:
    limit = f"SET sql_select_limit = {value}, sql_safe_updates = 1, completion_type = 1, sql_big_selects = 0"
    shown = "SELECT @@sql_select_limit, @@sql_safe_updates, @@completion_type, @@sql_big_selects LIMIT 1"
    async with configured(url, autocommit=True, init_command=limit) as store:
        await store.set_many(dict.fromkeys(KEYS, b"1"), expires_in=600)
        assert len(await store.get_many(KEYS)) == len(KEYS)
        await store.delete(KEYS[0])
        await store.aclose()
        async with store.config.provide_connection() as connection, connection.cursor() as cursor:
            await cursor.execute(shown)
            assert await cursor.fetchone() == (int(value), 1, "CHAIN", 0)


@pytest.mark.parametrize(
    "charset", ["latin1", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("ascii", "cp1251", "utf8mb4"))]
)
async def test_owners_and_keys_are_whole_under_every_character_set(url: str, driver: str, charset: str) -> None:
    text = "Zoë \N{SNOWMAN} \N{GRINNING FACE} Дом"
    url = f"{url.replace('mysql:', f'mysql+{driver}:')}?charset={charset}"
    async with opened(url, keep_keys=True) as store:
        await store.set(text, text, owner=text)
        await store.set("other", b"1", owner=text.replace("Д", "д"))
        (info,) = await store.inspect(text)
        assert info.owner == text
        assert [entry.digest for entry in await store.list_owned(text)] == [store.digest(text)]
        assert await store.get(text) == text.encode()
        assert await store.invalidate(prefix=text[:-1]) == 1
        assert await store.delete_owned(text) == 0
        assert await store.exists("other")


async def test_a_table_that_was_renamed_can_have_a_new_one_beside_it(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        await execute("RENAME TABLE litestar_session TO litestar_session_old")
        await store.create_table()
        await store.check_table()
        await store.set("key", b"1", expires_in=600, owner="ada")
        async with create_store(url, table="litestar_session_old") as old:
            # It serves as it is: indexes belong to their table, and nothing else of it has a name.
            await old.set("key", b"2")
            assert (await store.get("key"), await old.get("key")) == (b"1", b"2")


@pytest.fixture
def logging_statements() -> Iterator[Disguised]:
    settings = {"log-bin": "log", "server-id": "1", "binlog-format": "STATEMENT"}
    with require(lambda: Disguised(settings)) as server:
        yield server


async def test_a_server_that_logs_statements_is_refused_at_the_first_use(
    logging_statements: Disguised, driver: str
) -> None:
    dsn = logging_statements.create_database()
    url = dsn.replace("mysql:", f"mysql+{driver}:")
    async with create_store(url) as store:
        for _ in range(2):
            with pytest.raises(
                ConfigurationError, match=r"binlog_format = STATEMENT.*set binlog_format = ROW or MIXED"
            ):
                await store.create_table()
    async with client(dsn) as execute:
        await execute("SET GLOBAL binlog_format = MIXED")
        async with opened(url) as store:
            await store.set("key", b"1")
            # It may change later; connections that there are keep theirs.
            await execute("SET GLOBAL binlog_format = STATEMENT")
            await asyncio.gather(*(store.get(f"{number}") for number in range(9)))
            await forget_connections(store)
            with pytest.raises(ConfigurationError, match="binlog_format = STATEMENT"):
                await store.set("key", b"2")
            assert await store.get("key") == b"1"


async def forget_connections(store: Any) -> None:
    """Close the connections that are at rest."""
    await asyncio.sleep(0.2)
    await store.config.connection_instance.clear()
