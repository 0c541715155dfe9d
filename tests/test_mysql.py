"""What only MySQL and MariaDB have: their sessions, literals, locks, limits, versions and URLs."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiomysql
import pytest
import sqlglot
from sqlglot import exp
from sqlspec.adapters.aiomysql import AiomysqlConfig

from litestar_sqlstores import (
    AiomysqlStore,
    ConfigurationError,
    InvalidValueError,
    StoreTimeoutError,
    UnavailableError,
    ValueTooLargeError,
    create_store,
)
from litestar_sqlstores.backends.mysql_client import Statement
from litestar_sqlstores.backends.mysql_literals import MAX_HEX_BYTES
from litestar_sqlstores.coalescing.lanes import LINGER_SECONDS
from litestar_sqlstores.statements import TableName, load_statements
from tests.parsing import unparsable
from tests.servers import GivenMySQL, MariaDBServer, MySQLServer, mysql_from_environment_or_private, require
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from tests.backends import Store

MEBIBYTE = 1024 * 1024
KEYS = [f"key {number}" for number in range(64)]
# Processes are killed, not the machine; nothing but the tests writes.
QUIET = {"innodb-flush-log-at-trx-commit": "2", "innodb-stats-auto-recalc": "0"}


class Disguised(MariaDBServer):
    """A server that says to be of another version at its next start."""

    version = ""

    def _command(self, directory: Path) -> list[str]:
        return [*super()._command(directory), *([f"--version={self.version}"] if self.version else [])]


@pytest.fixture(scope="module")
def private() -> Iterator[Disguised]:
    with require(lambda: Disguised(QUIET)) as server:
        yield server


@pytest.fixture(scope="module")
def mysql() -> Iterator[MySQLServer | GivenMySQL]:
    with require(partial(mysql_from_environment_or_private, QUIET), in_ci=False) as server:
        yield server


@pytest.fixture(params=["mariadb", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    server = "mysql" if request.param == "mysql" else "private"
    database: str = request.getfixturevalue(server).create_database()
    return database


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Store]:
    async with create_store(url, **options) as store:
        await store.create_table()
        yield store


@asynccontextmanager
async def configured(url: str, **connection_config: Any) -> AsyncIterator[Store]:
    """A store on a config of the caller's, with one connection."""
    config = AiomysqlConfig(connection_config={"dsn": url, "minsize": 1, "maxsize": 1, **connection_config})
    try:
        async with AiomysqlStore(config) as store:
            await store.create_table()
            yield store
    finally:
        await config.close_pool()


class Client:
    """Somebody else's connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def __call__(self, *statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        async with self._connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
                rows = list(await cursor.fetchall())
        return rows


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Client]:
    parts = urlsplit(url)
    connection = await aiomysql.connect(
        host=parts.hostname or "",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        db=parts.path[1:],
        # The driver makes warnings of what the server notes about our questions, such as how it reads a table.
        **{"autocommit": True, "init_command": "SET max_error_count = 0", **options},
    )
    try:
        yield Client(connection)
    finally:
        connection.close()


async def is_mariadb(execute: Client) -> bool:
    ((version,),) = await execute("SELECT VERSION()")
    return "mariadb" in version.lower()


# -- the session of a connection


async def test_a_logout_is_seen_by_others_whose_connections_do_not_commit(url: str) -> None:
    """Without autocommit, a pooled connection goes on reading what was there when it read first."""
    async with configured(url, autocommit=False) as one, configured(url, autocommit=False) as other:
        for number in range(20):
            await one.set("session", str(number), expires_in=100)
            assert await other.get("session") == str(number).encode()
            await one.delete("session")
            assert await other.get("session", renew_for=100) is None
            assert not await other.exists("session")


STRANGE_MODES = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE"
SETTINGS = "'autocommit', 'sql_mode', 'sql_notes', 'note_verbosity', 'innodb_lock_wait_timeout', 'character_set_client'"
STRANGE_SESSIONS: dict[str, dict[str, Any]] = {
    "the driver's defaults": {},
    "an old application's": {
        "autocommit": False,
        "charset": "gbk",
        "cursor_class": aiomysql.DictCursor,
        "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET innodb_lock_wait_timeout = 7",
        "sql_mode": f"'{STRANGE_MODES}'",
    },
    "without strictness": {"autocommit": True, "charset": "latin1", "sql_mode": "''"},
}


@pytest.mark.parametrize("session", STRANGE_SESSIONS.values(), ids=STRANGE_SESSIONS)
@pytest.mark.filterwarnings("ignore:Changing sql mode 'PAD_CHAR_TO_FULL_LENGTH' is deprecated")
async def test_any_session_will_do_and_stays_as_it_was(url: str, session: Mapping[str, Any]) -> None:
    text = "' OR 1=1 -- \\' \" \\ \n % %s é😀"
    async with configured(url, **session) as store:
        before = await settings_of(store)
        await store.set(text, text, expires_in=100, owner=text)
        assert await store.get(text, renew_for=200) == text.encode()
        assert [entry.digest for entry in await store.list_owned(text)] == [store.digest(text)]
        assert await store.replace(text, b"\\'", expected=text)
        assert await store.increment("number", 5) == 5
        with pytest.raises(InvalidValueError):
            await store.increment(text)
        assert await store.get(text) == b"\\'"
        assert await store.delete_owned(text) == 0
        await store.delete_all()
        assert await store.get("number") is None
        await store.aclose()
        assert await settings_of(store) == before


async def settings_of(store: Store) -> object:
    """What is set on the one connection of the store's pool."""
    async with store.config.provide_connection() as connection, connection.cursor(aiomysql.Cursor) as cursor:
        await cursor.execute(f"SHOW SESSION VARIABLES WHERE variable_name IN ({SETTINGS})")
        return await cursor.fetchall()


async def test_notes_are_turned_off_as_the_server_has_it(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        await store.get("key")
        has_verbosity = bool(await execute("SHOW SESSION VARIABLES LIKE 'note_verbosity'"))
        # MariaDB warns of the other one from 11.8 on.
        for statement in ("enter_session", "leave_session"):
            sql = store._backend.sql[statement]
            assert ("note_verbosity" in sql, "sql_notes" in sql) == (has_verbosity, not has_verbosity)


async def test_a_store_with_a_pool_of_its_own_sets_a_session_up_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # All that is sent, also by the driver. The server's own count has what other tests send to it, too.
    sent: list[Any] = []
    send = aiomysql.Connection._execute_command

    async def spy(connection: aiomysql.Connection, command: int, sql: Any) -> None:
        sent.append(sql)
        await send(connection, command, sql)

    async with opened(url) as store:
        await store.get("key")
        monkeypatch.setattr(aiomysql.Connection, "_execute_command", spy)
        for _ in range(10):
            await store.get("key")
            await asyncio.sleep(0.06)  # longer than a lane keeps its connection
        assert len(sent) == 10, sent


# -- literals


@pytest.mark.parametrize("data_format", ["bytes", "json"])
async def test_lengths_around_every_limit_come_back(url: str, data_format: Any) -> None:
    """MariaDB cuts hexadecimal literals in some places to their length modulo 65,536."""
    lengths = [0, 1, 255, 256, 512, 513, MAX_HEX_BYTES, MAX_HEX_BYTES + 1, 65_535, 65_536, 65_537, 1_000_000]
    values = {str(length): b'"' + b"\\" * (length // 2 * 2) + b'"' for length in lengths}
    async with opened(url, data_format=data_format) as store:
        await store.set_many(values)
        assert await store.get_many(values) == values
        for owner in ("o" * 255, "😀" * 255):
            await store.set("owned", b"1", owner=owner)
            assert [entry.digest for entry in await store.list_owned(owner)] == [store.digest("owned")]
        assert all(await asyncio.gather(*(store.replace(key, b"1", expected=value) for key, value in values.items())))
        assert set((await store.get_many(values)).values()) == {b"1"}


async def test_a_trailing_space_makes_another_namespace_and_another_owner(url: str) -> None:
    """For most collations of MySQL's it does not."""
    async with opened(url, namespace="A") as store, opened(url, namespace="A ") as spaced:
        for each in (store, spaced):
            await each.set("key", b"1", owner="ada")
            await each.set("spaced", b"1", owner="ada ")
            await each.set("case", b"1", owner="Ada")
        assert await store.delete_owned("ada") == 1
        assert await store.get_many(["key", "spaced", "case"]) == {"spaced": b"1", "case": b"1"}
        assert len(await spaced.list_owned("ada ")) == 1
        await store.delete_all()
        assert not await store.exists("case")
        assert len(await spaced.get_many(["key", "spaced", "case"])) == 3
        await spaced.set("key", b"1", owner="ada ")
        assert await spaced.list_owned("ada") == []


async def test_a_thousand_years_are_no_never(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        await store.set("key", b"1", expires_in=10**15)
        await store.set("renewed", b"1", expires_in=10)
        await store.renew("renewed", 10**15)
        ages = await execute("SELECT TIMESTAMPDIFF(DAY, UTC_TIMESTAMP(), expires_at) FROM litestar_session")
        assert {days for (days,) in ages} <= {364_999, 365_000}
        for key in ("key", "renewed"):
            assert (await store.expires_in(key) or 0) > 999 * 365 * 24 * 60 * 60


async def test_a_value_beyond_the_servers_packet_is_refused_alone_and_says_so(url: str) -> None:
    async with opened(url, max_value_bytes=200 * MEBIBYTE, timeout=60) as store, client(url) as execute:
        ((packet,),) = await execute("SELECT @@max_allowed_packet")
        value = bytes(packet * 3 // 4)
        others = dict.fromkeys(KEYS, b"1")
        answers = await asyncio.gather(
            store.set("large", value),
            *(store.set(key, b"1") for key in others),
            return_exceptions=True,
        )
        assert isinstance(answers[0], ValueTooLargeError)
        assert re.search(r"max_allowed_packet", str(answers[0]))
        assert answers[1:] == [None] * len(others)
        assert await store.get_many(["large", *others]) == others
        await store.set("large", value[: packet * 5 // 7])
        assert len(await store.get("large") or b"") == packet * 5 // 7


# -- what is written and read


async def redo_position(execute: Client) -> int:
    ((_, position),) = await execute("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'")
    return int(position)


@pytest.mark.parametrize("data_format", ["bytes", "json"])
async def test_what_need_not_be_written_writes_no_redo_log(private: MariaDBServer, data_format: Any) -> None:
    values = dict.fromkeys(KEYS, '{"visits": 1}')
    url = private.create_database()
    async with opened(url, data_format=data_format) as store, client(url) as execute:
        await store.set_many(values, expires_in=1000, owner="ada")

        async def is_nothing_written() -> bool:
            start = await redo_position(execute)
            await store.set_many(values, expires_in=1005, owner="ada")
            await store.set_many(values, keep_ttl=True, owner="ada")
            assert len(await store.get_many(values, renew_for=995)) == 64
            assert len(await store.renew_many(values, 1005)) == 64
            assert not await store.replace("missing", b"1")
            assert not await store.replace(KEYS[0], b"1", expected=b"2")
            await store.delete("missing")
            return await redo_position(execute) == start

        # At first, InnoDB may still tidy up behind what was written.
        await until(is_nothing_written)
        start = await redo_position(execute)
        await store.set(KEYS[0], "2", expires_in=1000, owner="ada")
        assert await redo_position(execute) > start


async def test_no_statement_makes_a_temporary_table_on_disk(private: MariaDBServer) -> None:
    value = b"x" * 100_000
    url = private.create_database()
    async with opened(url) as store, client(url) as execute:
        before = await execute("SHOW GLOBAL STATUS LIKE 'Created_tmp_disk_tables'")
        await store.set_many(dict.fromkeys(KEYS, value), expires_in=100, owner="ada")
        await store.set_many(dict.fromkeys(KEYS, value[1:]), keep_ttl=True)
        await store.get_many(KEYS, renew_for=200)
        await asyncio.gather(*(store.replace(key, b"1", 100, expected=value[1:]) for key in KEYS))
        await asyncio.gather(*(store.increment(key) for key in KEYS))
        await store.list_owned("ada")
        await store.delete_expired()
        await store.delete_all()
        assert await execute("SHOW GLOBAL STATUS LIKE 'Created_tmp_disk_tables'") == before


@pytest.mark.parametrize("rows", [3, 2000])
async def test_keys_are_looked_up_by_key(url: str, rows: int) -> None:
    """A scan would lock rows that the statement is not about."""
    async with opened(url) as store, client(url) as execute:
        await store.set_many({str(number): b"1" for number in range(rows)}, expires_in=100)
        await execute("ANALYZE TABLE litestar_session")
        keys = [store.digest(str(number)) for number in range(3)]
        for name in ("get", "get_for_renewal", "remaining", "delete", "lock_for_replacement", "renew"):
            plans = await explained(execute, await rendered(execute, name, keys))
            assert {plan["key"] for plan in plans} == {"PRIMARY"}, name
            assert {plan["type"] for plan in plans} <= {"range", "eq_ref", "const"}, name
            assert sum(plan["rows"] for plan in plans) <= len(keys), name


@pytest.mark.parametrize("name", ["delete_namespace", "delete_expired", "owned", "delete_owned"])
async def test_batches_are_found_through_an_index(url: str, name: str) -> None:
    async with opened(url) as store, opened(url, namespace="OTHER") as other, client(url) as execute:
        await other.set_many({str(number): b"1" for number in range(2000)}, expires_in=7200, owner="other")
        await store.set_many({str(number): b"1" for number in range(10)}, expires_in=0.001, owner="ada")
        await execute("ANALYZE TABLE litestar_session")
        plans = await explained(execute, await rendered(execute, name, []))
        assert all(plan["key"] is not None and plan["rows"] <= 20 for plan in plans), plans


async def rendered(execute: Client, name: str, keys: list[bytes]) -> str:
    """A statement about keys, or about the namespace LITESTAR and the owner ada, as it is sent."""
    server = "mariadb" if await is_mariadb(execute) else "mysql"
    sql = load_statements("mysql", TableName("litestar_session"), ("bytes", server, "switch"), "`")[name]
    statement = Statement.parse(sql)
    parameters = {"namespace": "LITESTAR", "owner": "ada", "keep": None, "most": 10, "keys": keys}
    others: tuple[int | None, ...] = {"lock_for_replacement": (None,), "renew": (1000, 1)}.get(name, ())
    return statement.query(parameters, [(key, *others) for key in keys] if statement.line else [])


async def explained(execute: Client, sql: str) -> list[dict[str, Any]]:
    """How the tables are read that the last statement is about."""
    columns = ("id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows", "extra")
    statement = next(part for part in sql.split(";") if not part.strip().startswith(("SET", "START")))
    plans = []
    traditional = "" if await is_mariadb(execute) else "FORMAT=TRADITIONAL "
    for row in await execute(f"EXPLAIN {traditional}{statement}"):
        # MySQL also says which partitions and which part of the rows.
        plan = dict(zip(columns, row if len(row) == 10 else (*row[:3], *row[4:10], row[11]), strict=True))
        if plan["table"] is not None and not plan["table"].startswith("<"):
            plans.append({**plan, "rows": int(plan["rows"])})
    assert plans
    return plans


# -- locks


async def test_a_row_that_others_lock_is_waited_for(url: str) -> None:
    async with opened(url, timeout=5) as store, client(url) as execute, client(url) as watch:
        await store.set_many({"locked": b"1", "free": b"1"}, expires_in=100)
        await execute("START TRANSACTION", f"SELECT 1 FROM litestar_session WHERE {is_row(store, 'locked')} FOR UPDATE")
        call = asyncio.ensure_future(store.set("locked", b"2", expires_in=100))
        # The server gives up waiting after a second, and the store tries again.
        await until(lambda: waits_for_a_lock(watch))
        assert await store.get("locked") == b"1"
        await asyncio.sleep(1.5)
        assert not call.done()
        await execute("COMMIT")
        await call
        assert await store.get("locked") == b"2"


async def test_a_call_that_timed_out_leaves_no_statement_behind(url: str) -> None:
    async with opened(url, timeout=1) as store, client(url) as execute, client(url) as watch:
        await store.set("locked", b"1")
        await execute("START TRANSACTION", f"SELECT 1 FROM litestar_session WHERE {is_row(store, 'locked')} FOR UPDATE")
        with pytest.raises(StoreTimeoutError, match="1 seconds"):
            await store.set("locked", b"2")
        # Long before the 50 seconds that a server waits by default; it cannot be written when the lock is gone.
        await until(lambda: has_no_statement(watch))
        await execute("COMMIT")
        assert await store.get("locked") == b"1"


async def waits_for_a_lock(execute: Client) -> bool:
    ((_, waiting),) = await execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
    return int(waiting) > 0


async def has_no_statement(execute: Client) -> bool:
    running = "SELECT 1 FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE '%INSERT INTO%'"
    return not await execute(running)


async def test_a_deadlock_is_tried_again(url: str) -> None:
    async with opened(url) as store, client(url) as execute, client(url) as watch:
        first, last = sorted(["a", "b"], key=store.digest)
        await store.set_many({first: b"1", last: b"1"})
        await execute("CREATE TABLE heavy (number INT)", "START TRANSACTION")
        # Who has written less is the one to lose.
        await execute(f"INSERT INTO heavy VALUES {','.join(f'({number})' for number in range(1000))}")
        await execute(f"SELECT 1 FROM litestar_session WHERE {is_row(store, last)} FOR UPDATE")
        deadlocks = await number_of_deadlocks(watch)
        call = asyncio.ensure_future(store.set_many({first: b"2", last: b"2"}))
        await until(lambda: waits_for_a_lock(watch))
        await execute(f"SELECT 1 FROM litestar_session WHERE {is_row(store, first)} FOR UPDATE", "COMMIT")
        await call
        assert await store.get_many([first, last]) == {first: b"2", last: b"2"}
        assert await number_of_deadlocks(watch) == deadlocks + 1


async def number_of_deadlocks(execute: Client) -> int:
    ((count,),) = await execute("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'")
    return int(count)


def is_row(store: Store, key: str) -> str:
    return f"key_digest = x'{store.digest(key).hex()}'"


async def test_sets_of_many_stores_lock_no_gaps(url: str) -> None:
    """Under REPEATABLE READ, deletes of what is not there keep others from inserting beside it."""
    async with opened(url, timeout=3) as store, client(url) as execute:
        await execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION")
        await execute(f"DELETE FROM litestar_session WHERE {is_row(store, 'missing')}")
        await store.delete_many(KEYS)
        await store.set_many(dict.fromkeys(KEYS, b"1"))
        await execute("COMMIT")


# -- connections


async def test_connections_that_are_killed_are_replaced(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        mine = (
            "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE() ORDER BY id"
        )
        for number in range(10):
            calls = [asyncio.ensure_future(store.set(key, str(number), expires_in=100)) for key in KEYS]
            await asyncio.sleep(0.001 * number)
            killed = (await execute(mine))[0]
            await execute(f"KILL {killed[0]}")
            await asyncio.gather(*calls)
            assert set((await store.get_many(KEYS)).values()) == {str(number).encode()}

            # The one that was killed may be at rest in a lane, which gives it back to the pool, which throws it away.
            async def is_gone(killed: tuple[int] = killed) -> bool:
                return killed not in await execute(mine)

            await until(is_gone)
            await asyncio.sleep(LINGER_SECONDS * 2)


@pytest.mark.parametrize("driver", ["aiomysql", "asyncmy"])
async def test_a_server_that_was_away_is_used_again(private: MariaDBServer, driver: str) -> None:
    url = private.create_database().replace("mysql:", f"mysql+{driver}:")
    async with opened(url) as store:
        await store.set("key", b"1")
        await asyncio.to_thread(private.kill)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await store.get("key")
            with pytest.raises(UnavailableError):
                await store.set("key", b"2")
        await asyncio.to_thread(private.start)
        assert await store.get("key") == b"1"
        await asyncio.gather(*(store.set(key, b"1") for key in KEYS))


async def test_a_server_that_is_too_old_is_refused_at_the_first_use(private: Disguised) -> None:
    url = private.create_database()
    try:
        for version, expected in (
            ("10.5.27-MariaDB", r"MariaDB 10\.5\.27-MariaDB, which is too old.*MySQL 8\.0\.19 or MariaDB 10\.6"),
            ("8.0.18-log", r"MySQL 8\.0\.18-log, which is too old"),
        ):
            private.version = version
            await asyncio.to_thread(private.restart)
            async with create_store(url) as store:
                with pytest.raises(ConfigurationError, match=expected):
                    await store.create_table()
                answers = await asyncio.gather(*(store.get(key) for key in KEYS), return_exceptions=True)
                assert {type(answer) for answer in answers} == {ConfigurationError}
                assert len({id(answer) for answer in answers}) == len(KEYS)
        private.version = "10.6.0-MariaDB-log"
        await asyncio.to_thread(private.restart)
        async with opened(url) as store:
            await store.set("key", b"1")
            assert await store.get("key") == b"1"
    finally:
        private.version = ""
        await asyncio.to_thread(private.restart)


async def test_a_socket_will_do(private: MariaDBServer) -> None:
    assert private.directory is not None
    url = urlsplit(private.create_database())
    async with opened(f"mysql://root@{url.path}?unix_socket={private.directory / 'socket'}&charset=utf8mb4") as store:
        await store.set("key", b"1")
        assert await store.get("key") == b"1"


# -- statements, for a server that cannot be had here

# What a parser of MySQL's dialect makes of constructs that both manuals have.
CONSTRUCTS = frozenset(
    re.findall(
        r"\w+",
        """
        Abs Add Alias And Boolean Case Cast CharacterSetColumnConstraint Coalesce CollateColumnConstraint Column
        ColumnConstraint ColumnDef ColumnPrefix Commit ComputedColumnConstraint Concat Count Create CurrentSchema
        CurrentVersion DataType DataTypeParam Delete Distinct Drop EQ EngineProperty From GT GTE Group HexString
        Identifier If In IndexColumnConstraint IndexParameters IndexTableHint Insert IntDiv Interval Is Join LT LTE
        Left Length
        Like Limit Literal Lock Mul NEQ Not NotNullColumnConstraint Null NullSafeEQ OnConflict Or Order Ordered
        Parameter Paren PrimaryKey Properties Schema SchemaCommentProperty Select SessionParameter Set SetItem Show
        Star Sub Subquery Sum Table TableAlias Timestamp TimestampDiff Transaction Tuple Union Update UtcTimestamp
        Values Var Where
        """,
    )
)
# How MariaDB names what an INSERT could not insert, and compares JSON: functions that the parser does not know.
OF_MARIADB = {"Anonymous", "Collate"}


@pytest.mark.parametrize("table", ["litestar_session", "app.order"])
@pytest.mark.parametrize("data_format", ["bytes", "json"])
def test_every_statement_for_mysql_is_mysqls(table: str, data_format: str) -> None:
    for name, sql in statements(table, data_format, "mysql").items():
        # The parser knows no events.
        assert not unknown_constructs(sql) or name == "native_ttl", name


@pytest.mark.parametrize("data_format", ["bytes", "json"])
def test_the_statements_for_mariadb_are_the_same_but_for_what_mysql_names_otherwise(data_format: str) -> None:
    of_mysql = statements("litestar_session", data_format, "mysql")
    for name, sql in statements("litestar_session", data_format, "mariadb").items():
        assert unknown_constructs(sql) <= OF_MARIADB or name == "native_ttl"
        if "VALUES(" not in sql and "JSON_COMPACT(" not in sql:
            assert sql == of_mysql[name]


@pytest.mark.parametrize(
    "broken",
    [
        "SELECT key_digest data FROM t WHERE",
        "SELECT a FROM t LIMIT 1 FOR UPDATE SKIP LOCKED NOWAIT",
        "INSERT INTO t (a) VALUES (1) RETURNING a",
        "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
        "REPLACE INTO t (a) VALUES (1)",
        "DELETE FROM t WHERE a = ANY(ARRAY[1])",
        "SELECT JSON_COMPACT(data) FROM t",
        "SELECT now() + interval '1 second'",
        "SELECT a FROM t FETCH FIRST 1 ROWS ONLY",
    ],
)
def test_the_check_finds_what_is_not_mysqls(broken: str) -> None:
    with suppress(sqlglot.ParseError):
        assert unknown_constructs(broken)


# What both servers take and sqlfluff does not know: hints, and what reads from a query or locks inside of one.
UNKNOWN_TO_SQLFLUFF = [
    (r" FORCE INDEX \(\S+\)", ""),
    (r"\bSTRAIGHT_JOIN\b", "JOIN"),
    (r"\s+FOR UPDATE SKIP LOCKED(?=\s+\))", ""),
    (r"\bUPDATE \(\s*(SELECT [^()]+)\) AS n\b", r"\1; UPDATE n"),
]


@pytest.mark.parametrize("server", ["mysql", "mariadb"])
def test_each_statement_parses_in_the_dialect_of_its_server(server: str) -> None:
    both_formats = [statements("app.order", data_format, server) for data_format in ("bytes", "json")]
    for name, sql in {(name, sql) for found in both_formats for name, sql in found.items()}:
        assert unparsable(sql, server, UNKNOWN_TO_SQLFLUFF) is None, name


@pytest.mark.parametrize("server", ["mysql", "mariadb"])
@pytest.mark.parametrize(
    "broken",
    [
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE a IN (1 AND b",
        "INSERT INTO t (a VALUES (1)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING",
        "DELETE s FROM t AS s JOIN",
        "CREATE TABLE t (a INT PRIMARY)",
        "UPDATE t SET a = 1 WHERE a = LIMIT 1",
        "SHOW COLUMNS t",
    ],
)
def test_the_parser_finds_what_is_broken(server: str, broken: str) -> None:
    assert unparsable(broken, server) is not None


def test_what_the_parser_does_not_know_is_still_in_use() -> None:
    everything = "\n".join(statements("app.order", "bytes", "mysql").values())
    assert [pattern for pattern, _ in UNKNOWN_TO_SQLFLUFF if not re.search(pattern, everything)] == []


def unknown_constructs(sql: str) -> set[str]:
    found = {node for statement in sqlglot.parse(sql, read="mysql") if statement for node in statement.walk()}
    standard = {"OnConflict" for node in found if isinstance(node, exp.OnConflict) and not node.args.get("duplicate")}
    return {type(node).__name__ for node in found} - CONSTRUCTS | standard


def statements(table: str, data_format: str, server: str) -> dict[str, str]:
    variants = (data_format, server, f"{data_format}_{server}", "switch")
    found = {}
    for name, sql in load_statements("mysql", TableName.parse(table), variants, "`").items():
        statement = Statement.parse(sql)
        row = (1,) * statement.line.count("%s")
        parameters = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement.after), 1)
        found[name] = statement.query(parameters, [row, row] if statement.line else [])
    return found
