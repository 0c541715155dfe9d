"""What is particular to Oracle: servers of several versions, their errors, and what a connection is left as."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import oracledb
import pytest
from oracledb.errors import _Error
from sqlspec.adapters.oracledb import OracleAsyncConfig

from litestar_sqlstores import (
    ConfigurationError,
    DatabaseError,
    InvalidValueError,
    OracleStore,
    SchemaError,
    UnavailableError,
    create_store,
)
from litestar_sqlstores.backends.oracle_client import Connection
from litestar_sqlstores.backends.oracle_statements import Found
from litestar_sqlstores.backends.oracledb import OracleBackend
from litestar_sqlstores.backends.records import Entry
from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.settings import Settings
from tests.oracle import servers
from tests.oracle_double import Server
from tests.oracle_double.hsqldb import oracle_error
from tests.servers import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from tests.backends import Store

    Meanwhile = Callable[[Callable[[], Awaitable[object]]], None]

V19, V21, V26 = (19, 3, 0, 0, 0), (21, 3, 0, 0, 0), (26, 1, 0, 0, 0)


@pytest.fixture
def server() -> Iterator[Server]:
    with require(Server) as server:
        yield server


@asynccontextmanager
async def store_on(server: Server, **options: Any) -> AsyncIterator[Store]:
    async with create_store(server.url, **options) as store:
        await store.create_table()
        yield store


def ddl(server: Server) -> str:
    """The statement that has made a table."""
    [text] = [text for text in server.trips if text.startswith("CREATE TABLE")]
    return text


# -- versions


@pytest.mark.parametrize("version", [(12, 2, 0, 1, 0), (18, 14, 0, 0, 0)])
async def test_a_server_that_is_too_old_is_refused_at_first_use(version: tuple[int, ...]) -> None:
    with require(partial(Server, version)) as server:
        async with create_store(server.url) as store:
            answers = await asyncio.gather(store.get("key"), store.create_table(), return_exceptions=True)
            for answer in answers:
                assert isinstance(answer, ConfigurationError)
                assert f"Oracle Database {version[0]}." in str(answer)
                assert "19c or later" in str(answer)
        assert server.trips == ["connect"]


@pytest.mark.parametrize("version, declared", [(V19, "CHECK (data IS JSON)"), (V21, "data JSON"), (V26, "data JSON")])
async def test_json_is_what_the_server_calls_it(version: tuple[int, ...], declared: str) -> None:
    with require(partial(Server, version)) as server:
        async with store_on(server, data_format="json") as store:
            assert declared in ddl(server)
            await store.set("key", b'{"a": [1, 2.5, null]}')
            assert await store.get("key") == b'{"a": [1, 2.5, null]}'


async def test_a_table_survives_the_upgrade_of_its_server(server: Server) -> None:
    server.version = V19
    async with store_on(server, data_format="json") as store:
        await store.set("key", b'{"a": 1}')
        await store.set("number", b"1")
    server.version = V26
    async with store_on(server, data_format="json") as store:
        assert await store.get_many(["key", "number"]) == {"key": b'{"a": 1}', "number": b"1"}
        assert await store.increment("number") == 2
        await store.set("key", b'"text"')
        assert await store.get("key") == b'"text"'


@pytest.mark.parametrize("value", [b"1", b'"text"', b"null", b" [1] ", b"[[1]]", b"\n{}", b"-1.5e3"])
async def test_json_that_is_no_object_before_21c(value: bytes) -> None:
    with require(partial(Server, V19)) as server:
        async with store_on(server, data_format="json") as store:
            await store.set("key", value)
            assert await store.get("key") == value.strip()
            before = len(server.trips)
            await store.set("key", value)
            assert len(server.trips) == before + 1


# -- values


async def test_true_is_not_one(server: Server) -> None:
    async with store_on(server, data_format="json") as store:
        for value in (b'{"a": 1}', b'{"a": true}', b'{"a": 0}', b'{"a": false}', b'{"a": null}', b"{}"):
            await store.set("key", value)
            assert await store.get("key") == value
            assert not await store.replace("key", b"1", expected=b'{"a": 2}')


async def test_json_that_means_the_same_is_the_same(server: Server) -> None:
    async with store_on(server, data_format="json") as store:
        await store.set("key", b'{"a": 1.0, "b": [1e2]}')
        before = len(server.trips)
        await store.set("key", b'{"b":[100],"a":1}')
        assert len(server.trips) == before + 1
        assert await store.replace("key", b"2", expected=b'{"b": [100.0], "a": 1}')


async def test_deep_json_stops_nothing(server: Server) -> None:
    async with store_on(server, data_format="json") as store:
        deep = b"[" * 900 + b"]" * 900
        for _ in range(2):
            await store.set("key", deep)
        assert await store.get("key") == deep


async def test_an_empty_owner_is_not_none(server: Server) -> None:
    async with store_on(server) as store:
        await store.set_many({"key": b"1", "number": b"1"}, owner="")
        await store.set("nobody's", b"1")
        assert await store.increment("number") == 2
        before = len(server.trips)
        await store.set("key", b"1", owner="")
        assert len(server.trips) == before + 1
        assert {entry.digest for entry in await store.list_owned("")} == {store.digest("key"), store.digest("number")}
        assert await store.delete_owned("") == 2
        assert await store.exists("nobody's")


@pytest.mark.parametrize("length", [999, 1000, 1001, 2000, 2001, 4000, 4001, 32_767, 32_768, 100_000])
@pytest.mark.parametrize("data_format", ["bytes", "json"])
async def test_values_of_any_length(server: Server, data_format: Any, length: int) -> None:
    async with store_on(server, data_format=data_format) as store:
        for letter in "xé€😀":
            text = f'"{letter * (length - 2)}"'[:length].rstrip('"') + '"'
            await store.set_many({"key": text, "other": b"1"})
            assert await store.get("key") == text.encode()
            assert await store.replace("key", text + " ", expected=text)
            assert (await store.get("key") or b"").strip() == text.encode()


# -- tables


async def test_in_memory_puts_the_table_into_the_column_store(server: Server) -> None:
    async with store_on(server, in_memory=True) as store:
        assert ddl(server).endswith("INMEMORY PRIORITY HIGH")
        await store.set("key", b"1")


async def test_without_it_the_table_is_like_any_other(server: Server) -> None:
    async with store_on(server):
        assert "INMEMORY" not in ddl(server)


async def test_in_memory_comes_from_sqlspec_s_settings_too(server: Server) -> None:
    config = servers.config(server.url, 2)
    config.extension_config = {"litestar": {"in_memory": True, "session_table": "sessions"}}
    async with create_store(config) as store:
        assert isinstance(store, OracleStore)
        await store.create_table()
    await config.close_pool()
    assert ddl(server).startswith('CREATE TABLE "sessions"')
    assert ddl(server).endswith("INMEMORY PRIORITY HIGH")


async def test_what_is_half_made_is_completed(server: Server) -> None:
    async with store_on(server) as store:
        backend = store._backend
        async with backend.connect() as connection:
            await backend.create_table(connection)
            server.execute('DROP INDEX "litestar_session_owner"')
            await backend.create_table(connection)
        with pytest.raises(oracledb.DatabaseError, match="ORA-00955"):
            server.execute('CREATE INDEX "litestar_session_owner" ON "litestar_session" (owner)')


async def test_a_statement_that_fails_in_create_table_is_not_hidden(server: Server) -> None:
    async with create_store(server.url, table="no_such_schema.sessions") as store:
        with pytest.raises(SchemaError, match=r"schema of table 'no_such_schema\.sessions' does not exist"):
            await store.create_table()


# -- connections


async def test_a_connection_is_given_back_as_it_was(server: Server) -> None:
    config = servers.config(server.url, 1)
    async with config.provide_connection() as raw:
        raw.autocommit = True
    async with create_store(config) as store:
        await store.create_table()
        await store.increment("number")
        await store.set("text", b'"text"')
        with pytest.raises(InvalidValueError):
            await store.increment("text")
    async with config.provide_connection() as raw:
        assert raw.autocommit is True
    await config.close_pool()


async def test_a_batch_that_fails_leaves_nothing_open(server: Server) -> None:
    """The rows before the one that fails are undone at once, so that they lock nothing."""
    config = servers.config(server.url, 1)
    async with create_store(config) as store:
        await store.create_table()
        backend = store._backend
        async with backend.connect() as connection:
            rows = [connection.row(bytes(32), entry) for entry in (_entry(b"1"), _entry(b"2"))]
            with pytest.raises(oracledb.IntegrityError, match="ORA-00001"):
                await connection.write("insert", rows)
            assert await connection.read("get", [bytes(32)]) == {}
    await config.close_pool()


# -- what others do between two statements


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Has something done once, just after the next statement has read."""
    calls: list[Callable[[], Awaitable[object]]] = []
    read = Connection.read

    async def read_and_call(self: Connection, name: str, keys: Sequence[bytes]) -> dict[bytes, Found]:
        found = await read(self, name, keys)
        if calls:
            await calls.pop()()
        return found

    monkeypatch.setattr(Connection, "read", read_and_call)
    return calls.append


async def test_a_set_meets_a_key_that_another_has_inserted_meanwhile(server: Server, meanwhile: Meanwhile) -> None:
    async with store_on(server) as one, create_store(server.url) as other:
        meanwhile(lambda: other.set("key", b"1", expires_in=10))
        await one.set("key", b"2")
        assert "rollback" in server.trips
        assert await one.get("key") == b"2"
        assert await one.expires_in("key") == -1


async def test_a_set_meets_a_key_that_another_has_deleted_meanwhile(server: Server, meanwhile: Meanwhile) -> None:
    async with store_on(server) as one, create_store(server.url) as other:
        await one.set_many({"key": b"1", "other": b"1"})
        meanwhile(lambda: other.delete("key"))
        await one.set_many({"key": b"2", "other": b"2"})
        assert await one.get_many(["key", "other"]) == {"key": b"2", "other": b"2"}


async def test_a_renewal_leaves_alone_what_another_has_set_meanwhile(server: Server, meanwhile: Meanwhile) -> None:
    async with store_on(server) as one, create_store(server.url) as other:
        await one.set("key", b"1", expires_in=100)
        meanwhile(lambda: other.set("key", b"2", expires_in=10))
        assert await one.get("key", renew_for=1000) == b"1"
        assert await one.get("key") == b"2"
        assert await one.expires_in("key") in range(5, 11)


async def test_a_number_that_expires_while_it_is_added_to_has_expired(server: Server, meanwhile: Meanwhile) -> None:
    async with store_on(server) as store:
        await store.increment("key", 5, expires_in=1)
        meanwhile(lambda: asyncio.sleep(1.1))
        assert await store.increment("key", 2, expires_in=100) == 7
        assert await store.get("key") is None
        assert await store.increment("key", 2, expires_in=100) == 2


async def test_a_long_value_that_another_has_deleted_meanwhile(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with store_on(server) as one, create_store(server.url) as other:
        await one.set_many({"long": b"x" * 5000, "short": b"x"})
        select_keys = Connection.select_keys

        async def delete_first(self: Connection, name: str, keys: Sequence[bytes]) -> list[Any]:
            if name == "get_whole":
                await other.delete("long")
            return await select_keys(self, name, keys)

        monkeypatch.setattr(Connection, "select_keys", delete_first)
        assert await one.get_many(["long", "short"]) == {"short": b"x"}


async def test_two_that_insert_one_key_both_succeed(server: Server) -> None:
    async with store_on(server, max_connections=1) as one, create_store(server.url, max_connections=1) as other:
        for number in range(20):
            keys = [f"{number}.{index}" for index in range(20)]
            await asyncio.gather(one.set_many(dict.fromkeys(keys, b"1")), other.set_many(dict.fromkeys(keys, b"2")))
            assert set((await one.get_many(keys)).values()) <= {b"1", b"2"}
            assert len(await one.get_many(keys)) == 20


def _entry(data: bytes) -> Entry:
    return Entry("LITESTAR", data, None, 0, None)


# -- errors


def driver_error(text: str) -> oracledb.Error:
    detail = _Error(text)
    return detail.exc_type(detail)


@pytest.mark.parametrize(
    "error, failure",
    [
        (oracle_error(942, "text"), Failure.MISSING_TABLE),
        (oracle_error(1918, "text"), Failure.MISSING_SCHEMA),
        (oracle_error(904, "text"), Failure.WRONG_SCHEMA),
        (oracle_error(932, "text"), Failure.WRONG_SCHEMA),
        (oracle_error(1, "text"), Failure.CONFLICT),
        (oracle_error(54, "text"), Failure.CONFLICT),
        (oracle_error(60, "text"), Failure.CONFLICT),
        (oracle_error(8177, "text"), Failure.CONFLICT),
        (oracle_error(1400, "text"), Failure.BAD_VALUE),
        (oracle_error(2290, "text"), Failure.BAD_VALUE),
        (oracle_error(12899, "text"), Failure.BAD_VALUE),
        (oracle_error(40441, "text"), Failure.BAD_VALUE),
        (oracle_error(28, "text"), Failure.DISCONNECTED),
        (oracle_error(1012, "text"), Failure.DISCONNECTED),
        (oracle_error(1034, "text"), Failure.DISCONNECTED),
        (oracle_error(3113, "text"), Failure.DISCONNECTED),
        (oracle_error(3135, "text"), Failure.DISCONNECTED),
        (oracle_error(12514, "text"), Failure.DISCONNECTED),
        (driver_error("DPY-4005: timed out waiting for the connection pool"), Failure.DISCONNECTED),
        (driver_error("DPY-4011: the database or network closed the connection"), Failure.DISCONNECTED),
        (driver_error("DPY-6005: cannot connect to database"), Failure.DISCONNECTED),
        (driver_error("DPY-1001: not connected to database"), Failure.DISCONNECTED),
        (ConnectionResetError(), Failure.DISCONNECTED),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), Failure.BAD_VALUE),
        (oracle_error(1017, "text"), Failure.OTHER),
        (oracle_error(1653, "text"), Failure.OTHER),
        (RuntimeError(), Failure.OTHER),
    ],
    ids=str,
)
def test_what_an_error_means(error: Exception, failure: Failure) -> None:
    backend = OracleBackend(OracleAsyncConfig(connection_config={}), Settings())
    assert backend.classify(error) is failure


async def test_a_server_that_is_not_there() -> None:
    async with create_store("oracle://user:secret@127.0.0.1:1/?service_name=nothing", timeout=5) as store:
        with pytest.raises(UnavailableError) as error:
            await store.get("key")
    assert "secret" not in str(error.value)


async def test_an_error_that_nobody_expects_is_passed_on(server: Server) -> None:
    async with store_on(server) as store:
        backend = store._backend
        async with backend.connect() as connection:
            assert isinstance(backend.describe(oracle_error(1653, "text")), DatabaseError)
            assert await connection.read("get", [bytes(32)]) == {}


# -- URLs


@pytest.mark.parametrize(
    "url, expected",
    [
        (
            "oracle://ada:p%40ss@db.example:1522/?service_name=FREEPDB1",
            {"user": "ada", "password": "p@ss", "host": "db.example", "port": 1522, "service_name": "FREEPDB1"},
        ),
        (
            "oracle+oracledb://ada:pw@db.example/ORCL",
            {"user": "ada", "password": "pw", "host": "db.example", "port": 1521, "sid": "ORCL"},
        ),
        (
            "oracle://ada:pw@alias?config_dir=/opt/network&wallet_location=/opt/wallet",
            {
                "user": "ada",
                "password": "pw",
                "dsn": "alias",
                "config_dir": "/opt/network",
                "wallet_location": "/opt/wallet",
            },
        ),
    ],
)
def test_a_url_is_read_as_sqlalchemy_reads_it(url: str, expected: dict[str, Any]) -> None:
    store = create_store(url, max_connections=3)
    assert isinstance(store, OracleStore)
    config = store.config.connection_config
    assert {name: config[name] for name in config if name not in {"min", "max"}} == expected
    assert config["max"] == 4


@pytest.mark.parametrize(
    "url, text",
    [
        ("oracle://ada:secret@db/ORCL?service_name=FREEPDB1", "SID"),
        ("oracle://ada:secret@db/?encoding=UTF-8", "no option 'encoding'"),
    ],
)
def test_a_url_that_cannot_be_honoured(url: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as error:
        create_store(url)
    assert "secret" not in str(error.value)
