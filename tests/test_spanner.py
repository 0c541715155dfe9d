"""What is particular to Cloud Spanner, on its emulator: requests, transactions, shards, the table, errors."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from google.api_core import exceptions as google
from google.rpc.error_details_pb2 import RetryInfo
from sqlspec.adapters.spanner import SpannerAsyncConfig

from litestar_sqlstores import (
    ConfigurationError,
    ConflictError,
    DatabaseError,
    InvalidValueError,
    MissingTableError,
    SchemaError,
    SpannerStore,
    StoreTimeoutError,
    UnavailableError,
    create_store,
)
from litestar_sqlstores.backends.spanner import MAX_CELL_BYTES, SpannerBackend
from litestar_sqlstores.backends.spanner_client import Connection
from tests.backends import rows
from tests.contract.helpers import ALL, about
from tests.servers import SpannerEmulator, require, spanner_from_environment_or_private

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.servers import GivenSpanner

MEBIBYTE = 1024 * 1024
READ = "ExecuteStreamingSql"
STATEMENT = "ExecuteStreamingSql"
SHARDS = 5


class Requests:
    """What goes to the server, but for what opens sessions. `refuse` may raise in place of a request."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.sessions: list[str] = []
        self.sizes: dict[str, int] = {}
        self.staleness: list[float] = []
        self.refuse: Callable[[str], None] = lambda name: None

    async def intercept(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        name = client_call_details.method.decode().rpartition("/")[2]
        (self.sessions if "Session" in name else self.made).append(name)
        message = type(request).pb(request)
        self.sizes[name] = max(self.sizes.get(name, 0), message.ByteSize())
        if name == READ:
            # Zero if it is not said, and in a transaction that writes.
            self.staleness.append(message.transaction.single_use.read_only.max_staleness.ToMilliseconds() / 1000)
        self.refuse(name)
        return await continuation(client_call_details, request)

    def taken(self) -> list[str]:
        """What was made since the last time."""
        made, self.made = self.made, []
        return made


class OneAnswer(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._requests.intercept(continuation, client_call_details, request)


class ManyAnswers(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._requests.intercept(continuation, client_call_details, request)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The requests of all clients that are made from now on."""
    requests = Requests()
    new_channel = grpc.aio.insecure_channel
    interceptors = [OneAnswer(requests), ManyAnswers(requests)]
    monkeypatch.setattr(grpc.aio, "insecure_channel", lambda host: new_channel(host, interceptors=interceptors))
    return requests


@pytest.fixture(scope="module")
def emulator() -> Iterator[SpannerEmulator | GivenSpanner]:
    with require(spanner_from_environment_or_private) as emulator:
        yield emulator


@pytest.fixture
def url(emulator: SpannerEmulator | GivenSpanner) -> str:
    return emulator.create_database()


@pytest.fixture
def as_on_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """All transactions share a session, as they do unless the client is told not to; tests/backends.py tells it so."""
    monkeypatch.delenv("GOOGLE_CLOUD_SPANNER_MULTIPLEXED_SESSIONS_FOR_RW", raising=False)


@pytest.fixture(params=["bytes", "json"])
def data_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def store(requests: Requests, url: str, data_format: Any, as_on_the_service: None) -> AsyncIterator[SpannerStore]:
    """A store whose requests are counted, of those who have been using it for a while."""
    store = create_store(url, data_format=data_format)
    assert isinstance(store, SpannerStore)
    async with store:
        await store.create_table()
        await store.set("key", b"1", expires_in=1000)
        await store.get("key", renew_for=2000)
        requests.taken()
        yield store


def aborted(*, seconds: float) -> grpc.aio.AioRpcError:
    """What Spanner answers to a transaction that has to start again, after so many seconds."""
    delay = RetryInfo()
    delay.retry_delay.FromMilliseconds(int(seconds * 1000))
    trailer = grpc.aio.Metadata(("google.rpc.retryinfo-bin", delay.SerializeToString()))
    return grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), trailer, "aborted by the test")


# -- requests


async def test_a_read_is_one_request(store: SpannerStore, requests: Requests) -> None:
    assert await store.get("key") == b"1"
    assert requests.taken() == [READ]
    assert await store.get("no key") is None
    assert requests.taken() == [READ]
    assert await store.expires_in("key") == about(2000)
    assert requests.taken() == [READ]
    assert await store.get_many(map(str, range(50))) == {}
    assert requests.taken() == [READ]


async def test_a_renewal_that_is_not_due_is_a_read(store: SpannerStore, requests: Requests) -> None:
    assert await store.get("key", renew_for=2000) == b"1"
    assert await store.renew("key", 2000)
    assert requests.taken() == [READ, READ]


async def test_a_renewal_that_is_due_is_a_read_a_statement_and_a_commit(
    store: SpannerStore, requests: Requests
) -> None:
    assert await store.get("key", renew_for=3000) == b"1"
    assert requests.taken() == [READ, STATEMENT, "Commit"]
    assert await store.renew("key", 4000)
    assert requests.taken() == [READ, STATEMENT, "Commit"]
    assert await store.expires_in("key") == about(4000)


async def test_a_write_is_a_statement_and_a_commit(store: SpannerStore, requests: Requests) -> None:
    for call in (
        store.set("key", b"2", expires_in=1000),
        store.set("key", b"2", expires_in=1000),  # is not written, but that is found out in the same way
        store.set("key", b"3", keep_ttl=True),
        store.replace("key", b"4", expected=b"3"),
        store.replace("key", b"5", expected=b"3"),
        store.increment("number"),
        store.delete_owned("nobody"),
    ):
        await call
        assert requests.taken() == [STATEMENT, "Commit"]


async def test_what_needs_no_clock_is_a_commit(store: SpannerStore, requests: Requests) -> None:
    await store.delete("key")
    assert requests.taken() == ["Commit"]
    await store.delete_many(map(str, range(50)))
    assert requests.taken() == ["Commit"]


async def test_many_callers_share_one_commit(store: SpannerStore, requests: Requests) -> None:
    await asyncio.gather(*(store.set(str(number), b"1", expires_in=100) for number in range(50)))
    assert requests.taken() == [STATEMENT, "Commit"]
    await asyncio.gather(*(store.get(str(number), renew_for=200) for number in range(50)))
    assert requests.taken() == [READ, STATEMENT, "Commit"]
    await asyncio.gather(*(store.increment("number") for _ in range(50)))
    assert requests.taken() == [STATEMENT, "Commit"]
    await asyncio.gather(*(store.delete(str(number)) for number in range(50)))
    assert requests.taken() == ["Commit"]


async def test_reads_may_be_as_stale_as_the_option_says_and_nothing_else(
    store: SpannerStore, requests: Requests
) -> None:
    data_format: Any = store.settings.data_format
    async with create_store(store.config, data_format=data_format, read_staleness=2.5) as stale:
        await stale.check_table()
        await stale.set("mine", b"1", expires_in=100, owner="ada")
        requests.taken()
        requests.staleness.clear()
        assert await stale.get("key") in (b"1", None)
        await stale.get_many(["key", "mine"])
        await stale.exists("key")
        await stale.list_owned("ada")
        assert requests.taken() == [READ] * 4
        assert requests.staleness == [2.5] * 4
        requests.staleness.clear()
        # It may not see that the renewal is due, but what it writes depends on what is there now.
        await stale.get("mine", renew_for=200)
        assert requests.staleness[0] == 2.5
        requests.taken()
        requests.staleness.clear()
        assert await stale.renew("mine", 300)
        await stale.set("mine", b"2", keep_ttl=True)
        await stale.increment("number")
        assert await stale.delete_owned("nobody") == 0
        await stale.delete_expired()
        await stale.delete_all()
        assert set(requests.staleness) == {0}
    await store.get("key")
    assert requests.staleness[-1] == 0


@pytest.mark.parametrize("length", [4 * MEBIBYTE, 4 * MEBIBYTE + 1, 8 * MEBIBYTE])
async def test_no_statement_is_longer_than_spanner_takes(store: SpannerStore, requests: Requests, length: int) -> None:
    def text(filling: bytes) -> bytes:
        return b'"' + filling * (length - 2) + b'"'

    await store.set("key", text(b"a"), expires_in=100)
    assert await store.get("key") == text(b"a")
    await store.set("key", text(b"b"), keep_ttl=True)
    assert await store.get("key") == text(b"b")
    await store.set("key", b"1")
    assert await store.replace("key", text(b"c"), expected=b"1", expires_in=200)
    assert not await store.replace("no key", text(b"c"))
    assert not await store.exists("no key")
    assert await store.get("key") == text(b"c")
    if store.settings.data_format == "bytes":
        assert await store.replace("key", text(b"d"), expected=text(b"c"))
        assert not await store.replace("key", text(b"e"), expected=text(b"c"))
        assert await store.get("key") == text(b"d")
    assert requests.sizes[STATEMENT] < 10_000_000
    assert requests.sizes["Commit"] < 100_000_000


# -- transactions


@pytest.mark.parametrize("writers", [1, 3])
async def test_sixty_four_callers_may_write_at_once(url: str, monkeypatch: pytest.MonkeyPatch, writers: int) -> None:
    monkeypatch.setattr(SpannerBackend, "max_writers", writers)
    async with create_store(url) as store:
        await store.create_table()
        for step in range(3):
            await asyncio.gather(*(store.set(str(number), f"{number}.{step}") for number in range(64)))
        assert await store.get_many(map(str, range(64))) == {str(n): f"{n}.2".encode() for n in range(64)}


@pytest.mark.parametrize("name", [STATEMENT, "Commit"])
async def test_an_aborted_transaction_starts_again_when_the_server_says(
    store: SpannerStore, requests: Requests, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float, *arguments: Any) -> None:
        waited.append(seconds)
        await sleep(seconds, *arguments)

    monkeypatch.setattr(asyncio, "sleep", note)
    times = 2

    def refuse(request: str) -> None:
        nonlocal times
        if request == name and times:
            times -= 1
            raise aborted(seconds=0.064)

    requests.refuse = refuse
    await store.set("key", b"2", expires_in=100)
    assert waited.count(0.064) == 2
    refused = [STATEMENT] if name == STATEMENT else [STATEMENT, "Commit"]
    assert requests.taken() == [*refused, *refused, STATEMENT, "Commit"]
    times = 1
    await store.increment("number")
    await store.increment("number")
    assert await store.get("number") == b"2"


async def test_a_caller_who_gives_up_leaves_no_locks_behind(
    store: SpannerStore, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_format: Any = store.settings.data_format
    hasty = create_store(store.config, timeout=0.2, data_format=data_format)
    began = asyncio.Event()
    await hasty.get("key")
    requests.taken()
    run = Connection._run

    async def slowly(*arguments: Any, **options: Any) -> Any:
        found = await run(*arguments, **options)
        began.set()
        await asyncio.sleep(60)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "_run", slowly)
        with pytest.raises(StoreTimeoutError):
            await hasty.set("key", b"2")
    assert began.is_set()
    await hasty.aclose()
    assert requests.taken() == [STATEMENT, "Rollback"]
    await store.set("key", b"3")
    assert await store.get("key") == b"3"


# -- shards


@pytest.fixture
async def sharded(url: str, data_format: Any) -> AsyncIterator[SpannerStore]:
    config = create_store(url).config
    config.extension_config["litestar"] = {"shard_count": SHARDS}
    store = SpannerStore(config, data_format=data_format, table="other.sharded")
    async with store:
        await execute_ddl(store, "CREATE SCHEMA other")
        await store.create_table()
        yield store
    await config.close_pool()


async def execute_ddl(store: Any, *statements: str) -> None:
    database = await store.config.get_database()
    operation = await database.update_ddl(statements)
    await operation.result()


async def query(store: Any, sql: str) -> list[list[Any]]:
    database = await store.config.get_database()
    async with database.snapshot() as snapshot:
        return [row async for row in await snapshot.execute_sql(sql)]


async def test_every_operation_works_on_shards(sharded: SpannerStore) -> None:
    keys = {f"key {number}": str(number).encode() for number in range(100)}
    await sharded.set_many(keys, expires_in=100, owner="ada")
    assert await sharded.get_many(keys, renew_for=200) == keys
    assert await sharded.renew_many(keys, 300) == set(keys)
    assert await sharded.expires_in("key 7") == about(300)
    await sharded.set("key 7", b"8", keep_ttl=True, owner="ada")
    assert await sharded.replace("key 7", b"9", expected=b"8", owner="bob")
    assert await sharded.increment("key 7") == 10
    assert len(await sharded.list_owned("bob")) == 1
    assert await sharded.delete_owned("ada", keep="key 8") == 98
    assert await sharded.get_many(keys) == {"key 7": b"10", "key 8": b"8"}
    await sharded.set_many(dict.fromkeys(keys, b"1"), expires_in=0.001)
    await sharded.with_namespace("child").set_many(keys, expires_in=0.001)
    await asyncio.sleep(0.01)
    assert await sharded.delete_expired(batch_size=30) == 200
    await sharded.set_many(keys)
    await sharded.delete("key 1")
    assert len(await rows(sharded)) == 99
    await sharded.delete_all()
    assert await rows(sharded) == []
    for operation in ALL.values():
        await operation(sharded, "key")


async def test_shards_are_even_and_never_negative(sharded: SpannerStore) -> None:
    await sharded.set_many({str(number): b"1" for number in range(400)}, expires_in=100)
    shards = [row["shard_id"] for row in await rows(sharded, "shard_id")]
    assert set(shards) == set(range(SHARDS))
    assert max(shards.count(shard) for shard in range(SHARDS)) < 2 * len(shards) / SHARDS


async def test_the_shard_leads_in_the_key_and_in_the_index_of_expiries(sharded: SpannerStore, url: str) -> None:
    found = await query(
        sharded,
        "SELECT index_name, column_name FROM information_schema.index_columns WHERE table_name = 'sharded'"
        " AND table_schema = 'other' AND ordinal_position IS NOT NULL ORDER BY index_name, ordinal_position",
    )
    columns: dict[str, list[str]] = {}
    for index, column in found:
        columns.setdefault(index, []).append(column)
    assert columns["PRIMARY_KEY"] == ["shard_id", "key_digest"]
    assert columns["sharded_expiry"][:2] == ["shard_id", "expiry_bucket"]


async def test_another_number_of_shards_is_recognised(sharded: SpannerStore, url: str) -> None:
    await sharded.set("key", b"1", expires_in=100)
    data_format: Any = sharded.settings.data_format
    for count in (1, SHARDS - 1, 2 * SHARDS):
        options: Any = {"shard_count": count}
        async with create_store(url, table="other.sharded", data_format=data_format, **options) as other:
            for call in (other.create_table(), *(operation(other, "key") for operation in ALL.values())):
                with pytest.raises(SchemaError, match=f"shard_count={SHARDS}, not {count}"):
                    await call
    assert await sharded.get("key") == b"1"
    async with other:
        await other.drop_table()
        with pytest.raises(MissingTableError):
            await sharded.get("key")
        await other.create_table()
        await other.set("key", b"2")
        assert await other.get("key") == b"2"


# -- the table


async def test_the_server_removes_what_has_expired(url: str) -> None:
    async with create_store(url) as store:
        await store.create_table()
        database = await store.config.get_database()
        await database.reload()
        [table] = [text for text in database.ddl_statements if text.startswith("CREATE TABLE")]
        assert "ROW DELETION POLICY (OLDER_THAN(expires_at, INTERVAL 0 DAY))" in table
        assert "shard_id" not in table


async def test_the_key_is_32_bytes_and_the_data_are_what_they_say(store: SpannerStore) -> None:
    found = await query(
        store, "SELECT column_name, spanner_type FROM information_schema.columns WHERE table_schema = ''"
    )
    types = dict(map(tuple, found))
    assert types["key_digest"] == "BYTES(32)"
    assert types["data"] == ("BYTES(MAX)" if store.settings.data_format == "bytes" else "JSON")


async def test_the_server_reads_the_json(url: str) -> None:
    async with create_store(url, data_format="json") as store:
        await store.create_table()
        await store.set("key", b'{"user": {"name": "ada"}}')
        assert await query(store, "SELECT JSON_VALUE(data, '$.user.name') FROM litestar_session") == [["ada"]]


async def test_json_is_refused_rather_than_changed(url: str) -> None:
    async with create_store(url, data_format="json") as store:
        await store.create_table()
        for value in (b"3.141592653589793238", b"99999999999999999999", b"1e400", rb'"\ud800"'):
            with pytest.raises(InvalidValueError):
                await store.set("key", value)
        assert not await store.exists("key")


async def test_stores_with_one_config_open_its_pool_once(url: str, requests: Requests) -> None:
    given = create_store(url).config.connection_config
    # SQLSpec's default pool, which makes its sessions when it is opened.
    config = SpannerAsyncConfig(connection_config={**{k: v for k, v in given.items() if k != "pool_type"}, "size": 3})
    stores = [create_store(config), create_store(config, namespace="OTHER")]
    await stores[0].create_table()
    await config.close_pool()
    requests.sessions.clear()
    config = SpannerAsyncConfig(connection_config=config.connection_config)
    stores = [create_store(config), create_store(config, namespace="OTHER")]
    answers = await asyncio.gather(*(store.get(str(number)) for store in stores for number in range(200)))
    assert answers == [None] * 400
    assert sorted(requests.sessions) == ["BatchCreateSessions", "CreateSession"]
    for store in stores:
        await store.aclose()
    await config.close_pool()


# -- errors


async def until_available(store: Any) -> None:
    while True:
        with suppress(UnavailableError):
            await store.get("key")


async def test_a_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with require(SpannerEmulator) as emulator:
        async with create_store(emulator.create_database(), timeout=1.5) as store:
            await store.create_table()
            await store.set("key", b"1")
            await asyncio.to_thread(emulator.stop)
            for call in (store.get("key"), store.get("key", renew_for=10), store.expires_in("key")):
                # Reads are repeated for as long as they have.
                with pytest.raises((UnavailableError, StoreTimeoutError)):
                    await call
            for call in (store.set("key", b"2"), store.delete("key"), store.increment("key")):
                with pytest.raises((UnavailableError, StoreTimeoutError)):
                    await call
            await asyncio.to_thread(emulator.start)
            with pytest.raises(DatabaseError) as error:
                await until_available(store)
            assert isinstance(error.value.__cause__, google.NotFound)  # it has forgotten everything


@pytest.mark.parametrize(
    "error, expected",
    [
        (google.Aborted("Transaction was aborted."), ConflictError),
        (google.ServiceUnavailable("Socket closed"), UnavailableError),
        (google.DeadlineExceeded("Deadline Exceeded"), UnavailableError),
        (google.RetryError("Timeout of 3.0s exceeded", google.ServiceUnavailable("")), UnavailableError),
        (google.NotFound("Session not found: projects/p/instances/i/databases/d/sessions/s"), UnavailableError),
        (ConnectionResetError(), UnavailableError),
        (google.NotFound("Table not found: sessions"), MissingTableError),
        (google.InvalidArgument("Table not found: sessions [at 1:15]"), MissingTableError),
        (google.InvalidArgument("Unrecognized name: expiry_bucket [at 1:8]"), SchemaError),
        (google.InvalidArgument("No matching signature for operator = for BYTES, JSON [at 3:9]"), SchemaError),
        (google.NotFound("Schema not found: app"), SchemaError),
        (google.InvalidArgument("Invalid value for bind parameter batch"), InvalidValueError),
        (google.OutOfRange("Bad int64 value: a"), InvalidValueError),
        (google.FailedPrecondition("New value exceeds the maximum size limit for this column"), InvalidValueError),
        (google.PermissionDenied("Caller is missing IAM permission"), DatabaseError),
        (google.NotFound("Database not found: projects/p/instances/i/databases/d"), DatabaseError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors_of_the_client(error: Exception, expected: type[Exception]) -> None:
    store = create_store("spanner:///projects/p/instances/i/databases/d")
    described = store._backend.describe(error)
    assert type(described) is expected
    assert described.__cause__ is error


# -- configuration


def test_the_url() -> None:
    store = create_store("spanner:///projects/a-project/instances/an-instance/databases/a-database")
    assert isinstance(store, SpannerStore)
    config = store.config.connection_config
    assert (config["project"], config["instance_id"], config["database_id"]) == (
        "a-project",
        "an-instance",
        "a-database",
    )
    assert "client_options" not in config
    emulator = create_store("spanner://localhost:9010/projects/p/instances/i/databases/d").config
    assert emulator.connection_config["client_options"] == {"api_endpoint": "localhost:9010"}


@pytest.mark.parametrize(
    "url",
    [
        "spanner://",
        "spanner:///",
        "spanner://p/i/d",
        "spanner:///projects/p/instances/i",
        "spanner:///projects/p/instances/i/databases/",
        "spanner:///projects/p/instances/i/databases/d/sessions/s",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="spanner:///projects/PROJECT/instances/INSTANCE/databases/DATABASE"):
        create_store(url)


def test_an_option_in_a_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a Spanner URL has no option 'pool'"):
        create_store("spanner:///projects/p/instances/i/databases/d?pool=1")


def test_values_that_no_cell_holds_are_refused_before_the_call() -> None:
    url = "spanner:///projects/p/instances/i/databases/d"
    assert create_store(url, max_value_bytes=MAX_CELL_BYTES).settings.max_value_bytes == 10 * MEBIBYTE
    with pytest.raises(ConfigurationError, match=r"max_value_bytes is 10485761.*up to 10485760 bytes"):
        create_store(url, max_value_bytes=MAX_CELL_BYTES + 1)
    with pytest.raises(ConfigurationError, match=r"max_value_bytes is 10485760.*up to 10485736 bytes"):
        create_store(url, max_value_bytes=MAX_CELL_BYTES, encryption_keys=["k" * 32])


@pytest.mark.parametrize("table", ["_sessions", "_app.sessions", "app._sessions"])
def test_names_that_spanner_does_not_take_are_refused(table: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{table}'.*begin with a letter"):
        create_store("spanner:///projects/p/instances/i/databases/d", table=table)
