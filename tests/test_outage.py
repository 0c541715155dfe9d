"""What callers see of a database that is away, hung, busy or locked; and that the store goes on afterwards."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sqlite3
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import psutil
import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from litestar_sqlstores import StoreError, StoreTimeoutError, UnavailableError, create_store
from tests.backends import rows
from tests.servers import PostgresServer, require
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.backends import Store

CALLERS = 64
OTHER_BACKENDS = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    # Processes are killed, not the machine: what they wrote needs no fsync to be there afterwards.
    with require(lambda: PostgresServer({"fsync": "off", "deadlock_timeout": "100ms"})) as server:
        yield server


@pytest.fixture
def dsn(server: PostgresServer) -> str:
    return server.create_database()


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Store]:
    async with create_store(url, **options) as store:
        await store.create_table()
        yield store


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[Store]:
    async with opened(dsn) as store:
        yield store


@asynccontextmanager
async def administrator(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def suspended(server: PostgresServer) -> Iterator[None]:
    """Hang the server: the kernel still takes its connections and packets."""
    postmaster = psutil.Process(server.pid)
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


class Callers:
    """Callers that never rest: each writes and reads ever higher numbers under a key of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = False
        self.confirmed = [0] * CALLERS
        self.errors: list[Exception] = []

    async def _call(self, number: int) -> None:
        key = f"caller {number}"
        for value in itertools.count(1):
            if self._stop:
                return
            try:
                await self._store.set(key, str(value), expires_in=100)
                self.confirmed[number] = value
                found = await self._store.get(key, renew_for=200)
            except StoreError as error:
                self.errors.append(error)
                await asyncio.sleep(0.01)  # as a web server would, they take another request first
            else:
                assert found == str(value).encode()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.ensure_future(self._call(number)) for number in range(CALLERS)]
        await self.progress()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def progress(self) -> None:
        """Wait until each caller has written again."""
        before = self.confirmed.copy()

        async def all_have() -> bool:
            assert not any(task.done() for task in self._tasks)
            return all(now > then for now, then in zip(self.confirmed, before, strict=True))

        await until(all_have)

    async def fail(self) -> None:
        """Wait until a caller has got an error."""
        before = len(self.errors)

        async def one_has() -> bool:
            return len(self.errors) > before

        await until(one_has)


# -- the server goes


async def test_the_server_crashes_under_load_and_comes_back(server: PostgresServer, store: Store) -> None:
    async with Callers(store) as callers:
        server.kill()
        confirmed = callers.confirmed.copy()
        await callers.fail()
        await asyncio.to_thread(server.start)
        found = await store.get_many(f"caller {number}" for number in range(CALLERS))
        assert all(int(found[f"caller {number}"]) >= value for number, value in enumerate(confirmed))
        await callers.progress()
    assert {type(error) for error in callers.errors} <= {UnavailableError, StoreTimeoutError}
    assert all(error.__cause__ is not None for error in callers.errors if isinstance(error, UnavailableError))


async def test_one_backend_crashes_and_the_server_recovers(server: PostgresServer, store: Store, dsn: str) -> None:
    async with Callers(store) as callers:
        async with administrator(dsn) as connection:
            victim = await connection.fetchval(f"SELECT min(pid) FROM {OTHER_BACKENDS}")
        log_before = server.log
        psutil.Process(victim).kill()

        async def ready_again() -> bool:
            return "ready to accept connections" in server.log.removeprefix(log_before)

        # Who is lucky gets a new connection in time, and notices nothing.
        await until(ready_again)
        await callers.progress()
    assert {type(error) for error in callers.errors} <= {UnavailableError, StoreTimeoutError}


async def test_a_server_that_is_away_is_waited_for_and_said_to_be_away(server: PostgresServer, dsn: str) -> None:
    async with opened(dsn) as store:
        await store.set("key", b"1")
    server.kill()
    try:
        async with create_store(dsn, timeout=0.5) as store:
            calls = [store.get("key"), store.set("key", b"2"), store.create_table(), store.delete_all()]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(answer) for answer in answers} == {UnavailableError}
            assert all(isinstance(answer, ConnectionError) for answer in answers)
            assert not any(answer.outcome_unknown for answer in answers if isinstance(answer, UnavailableError))
        async with create_store(dsn, timeout=PATIENCE) as store:
            early = asyncio.gather(store.get("key"), store.set("other", b"2"))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.start)
            assert (await early)[0] == b"1"
    finally:
        if not server.is_running:
            await asyncio.to_thread(server.start)


async def test_a_hung_server_costs_the_timeout_and_no_more(server: PostgresServer, dsn: str) -> None:
    async with opened(dsn, timeout=0.5) as store:
        await asyncio.gather(*(store.set(f"{number}", b"1") for number in range(CALLERS)))
        with suspended(server):
            for _ in range(2):
                async with asyncio.timeout(PATIENCE):
                    calls = [store.get(f"{number}", renew_for=10) for number in range(CALLERS)]
                    answers = await asyncio.gather(*calls, return_exceptions=True)
                assert {type(answer) for answer in answers} == {StoreTimeoutError}
                assert "0.5 seconds" in str(answers[0])
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    assert await store.get("1") == b"1"
                    break
                except StoreTimeoutError:
                    continue
        await asyncio.gather(*(store.set(f"{number}", b"2") for number in range(CALLERS)))


# -- connections go


async def terminate_all(connection: Any) -> int:
    count: int = await connection.fetchval(f"SELECT count(pg_terminate_backend(pid)) FROM {OTHER_BACKENDS}")
    return count


async def test_terminated_connections_are_replaced_and_only_who_was_writing_notices(store: Store, dsn: str) -> None:
    async with Callers(store) as callers, administrator(dsn) as connection:
        terminated = 0
        while terminated < 20:
            terminated += await terminate_all(connection)
            await callers.progress()
    # Reads are repeated; nobody knows whether the writes that were under way have taken effect.
    assert all(isinstance(error, UnavailableError) and error.outcome_unknown for error in callers.errors)


async def test_connections_that_went_while_nobody_used_them_are_replaced(store: Store, dsn: str) -> None:
    await asyncio.gather(*(store.set(f"{number}", b"1") for number in range(CALLERS)))
    async with administrator(dsn) as connection:
        for pause in (0.0, 0.1, 0.3):
            await asyncio.sleep(pause)
            await terminate_all(connection)
            assert await store.get("1", renew_for=10) == b"1"


async def test_a_server_with_few_connections_is_not_stormed(server: PostgresServer, dsn: str) -> None:
    """Where one connection is all there is, it serves all callers, and the rest is not asked for again and again."""
    async with opened(dsn), administrator(dsn) as connection:
        await connection.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
        await connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO narrow")
        log_before = server.log
        async with create_store(dsn.replace("postgres@", "narrow@")) as store, Callers(store) as callers:
            for _ in range(20):
                await callers.progress()
        assert callers.errors == []
        refused = server.log.removeprefix(log_before).count("too many connections for role")
        assert refused < sum(callers.confirmed) / 20


# -- rows are locked


@asynccontextmanager
async def locked_row(dsn: str, key_digest: bytes) -> AsyncIterator[Any]:
    async with administrator(dsn) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE litestar_session SET owner = 'lock' WHERE key_digest = $1", key_digest)
        try:
            yield connection
        finally:
            await transaction.rollback()


async def digests(store: Store) -> list[bytes]:
    return sorted([row["key_digest"] for row in await rows(store, "key_digest")])


async def until_waiting(connection: Any, backends: int = 1) -> None:
    """Wait until so many backends wait for a lock."""
    waiting = f"SELECT count(*) = $1 FROM {OTHER_BACKENDS} AND wait_event_type = 'Lock'"
    await until(lambda: connection.fetchval(waiting, backends))


async def test_a_deadlock_is_retried(server: PostgresServer, store: Store, dsn: str) -> None:
    await store.set_many({"a": b"1", "b": b"1"})
    first, last = await digests(store)
    async with administrator(dsn) as connection:
        # The store's statement waits for the last row, and is the one to find the deadlock.
        await connection.execute("SET deadlock_timeout = '10s'")
        async with connection.transaction():
            await connection.execute("UPDATE litestar_session SET owner = 'lock' WHERE key_digest = $1", last)
            call = asyncio.ensure_future(store.set_many({"a": b"2", "b": b"2"}))
            async with administrator(dsn) as observer:
                await until_waiting(observer)
            await connection.execute("UPDATE litestar_session SET owner = 'lock' WHERE key_digest = $1", first)
        await call
    assert "deadlock detected" in server.log
    assert await store.get_many(["a", "b"]) == {"a": b"2", "b": b"2"}


async def test_a_row_that_is_locked_for_long_costs_the_timeout(dsn: str) -> None:
    async with opened(dsn, timeout=0.5) as store:
        await store.set("locked", b"1")
        [digest] = await digests(store)
        async with locked_row(dsn, digest) as connection:
            # Those who want other rows are served meanwhile.
            locked = asyncio.ensure_future(store.set("locked", b"2"))
            await until_waiting(connection)
            await asyncio.gather(*(store.set(f"{number}", b"1") for number in range(CALLERS)))
            assert await store.get("locked") == b"1"
            with pytest.raises(StoreTimeoutError, match=r"0\.5 seconds"):
                await locked
            # Nothing of it is left in the server.
            await until_waiting(connection, backends=0)
        assert await store.get("locked") == b"1"
        await store.set("locked", b"3")
        assert await store.get("locked") == b"3"


async def test_a_write_that_timed_out_does_not_replace_a_later_one(dsn: str) -> None:
    async with opened(dsn, timeout=0.3) as store:
        await store.set("a", b"1")
        [digest] = await digests(store)
        await store.set("b", b"1")
        first, last = "ab" if (await digests(store))[0] == digest else "ba"
        async with locked_row(dsn, (await digests(store))[0]):
            with pytest.raises(StoreTimeoutError):
                await store.set_many({first: b'"old"', last: b'"old"'})
            # The statement had not come to this row; it never shall.
            await store.set(last, b'"new"')
        await asyncio.sleep(0.3)
        await store.set(first, b'"new"')
        assert await store.get_many(["a", "b"]) == {"a": b'"new"', "b": b'"new"'}


async def test_cancelled_callers_leave_those_alone_who_wait_with_them(store: Store, dsn: str) -> None:
    keys = [f"{number}" for number in range(CALLERS)]
    await store.set_many(dict.fromkeys(keys, b"1"))
    async with locked_row(dsn, (await digests(store))[CALLERS // 2]) as connection:
        calls = [asyncio.ensure_future(store.set(key, b"2")) for key in keys]
        await until_waiting(connection)
        for call in calls[::2]:
            call.cancel()
        await asyncio.sleep(0.05)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers[1::2] == [None] * (CALLERS // 2)
    assert await store.get_many(keys[1::2]) == dict.fromkeys(keys[1::2], b"2")


async def test_callers_who_all_gave_up_leave_nothing_behind(store: Store, dsn: str) -> None:
    await store.set("locked", b"1")
    [digest] = await digests(store)
    async with locked_row(dsn, digest) as connection:
        call = asyncio.ensure_future(store.set("locked", b"2"))
        await until_waiting(connection)
        call.cancel()
        await asyncio.gather(*(store.set(f"{number}", b"1") for number in range(CALLERS)))
    await store.set("locked", b"3")
    assert await store.get("locked") == b"3"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # a program that ends like this closes nothing
def test_a_program_can_end_while_calls_wait(dsn: str) -> None:
    async def main() -> None:
        store = create_store(dsn)
        await store.create_table()
        await store.set("locked", b"1")
        connection = await asyncpg.connect(dsn)
        await connection.execute("BEGIN; UPDATE litestar_session SET owner = 'lock'")
        calls.extend(asyncio.ensure_future(store.set("locked", b"2")) for _ in range(4))
        await until_waiting(connection)

    calls: list[asyncio.Future[None]] = []
    asyncio.run(main())
    assert all(call.cancelled() for call in calls)
    calls.clear()
    gc.collect()  # as long as the warnings are ignored


# -- SQLite


@asynccontextmanager
async def shared_pool(**options: Any) -> AsyncIterator[tuple[AiosqliteConfig, Store]]:
    """A config that the application uses too, and a store on it."""
    config = AiosqliteConfig(**options)
    try:
        async with create_store(config) as store:
            await store.create_table()
            yield config, store
    finally:
        await config.close_pool()


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Another process writes: only the file knows."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


async def test_a_file_that_is_locked_for_a_while_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(f"sqlite:///{path}") as store:
        await store.set("key", b"1")
        with locked_file(path):
            calls = [asyncio.ensure_future(store.set(f"{number}", b"2")) for number in range(CALLERS)]
            # Reading goes on meanwhile.
            assert await store.get("key") == b"1"
            await asyncio.sleep(0.5)
            assert not any(call.done() for call in calls)
        assert await asyncio.gather(*calls) == [None] * CALLERS
        assert len(await rows(store)) == CALLERS + 1


async def test_a_file_that_is_locked_for_a_while_is_waited_for_without_a_busy_timeout(tmp_path: Path) -> None:
    """What the application's pool is set to is not what the store's callers wait for."""
    path = tmp_path / "store.db"
    options = {"connection_config": {"database": str(path)}, "driver_features": {"pragmas": {"busy_timeout": 0}}}
    async with shared_pool(**options) as (_, store):
        with locked_file(path):
            calls = [asyncio.ensure_future(store.set(f"{number}", b"2")) for number in range(CALLERS)]
            await asyncio.sleep(2)
        assert await asyncio.gather(*calls) == [None] * CALLERS
        assert len(await rows(store)) == CALLERS


async def test_a_file_that_is_locked_for_long_costs_the_timeout(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(f"sqlite:///{path}", timeout=0.5) as store:
        await store.set("key", b"1")
        with locked_file(path):
            for _ in range(2):
                with pytest.raises(StoreTimeoutError, match=r"0\.5 seconds"):
                    await store.set("key", b"2")
                assert await store.get("key") == b"1"
        await store.set("key", b"3")
        assert await store.get("key") == b"3"


async def test_a_write_that_timed_out_in_a_file_does_not_replace_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(f"sqlite:///{path}", timeout=0.4) as store:
        await store.set("key", b"1")
        with locked_file(path):
            for _ in range(2):
                with pytest.raises(StoreTimeoutError):
                    await store.set("key", b'"old"')
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await store.set("key", b'"new"')
                    break
                except StoreTimeoutError:
                    continue
        await asyncio.sleep(1)
        assert await store.get("key") == b'"new"'


async def test_memory_that_the_application_writes_to_is_waited_for() -> None:
    async with shared_pool() as (config, store):
        await store.set("key", b"1")
        async with config.provide_connection() as connection:
            await connection.execute("CREATE TABLE notes (note)")
            await connection.commit()
            await connection.execute("BEGIN IMMEDIATE")
            await connection.execute("INSERT INTO notes VALUES ('a note')")
            call = asyncio.ensure_future(store.set("key", b"2"))
            await asyncio.sleep(2)
            await connection.commit()
        await call
        assert await store.get("key") == b"2"


async def test_memory_whose_schema_the_application_changes_is_waited_for() -> None:
    async with shared_pool() as (config, store):
        await store.set("key", b"1")
        async with config.provide_connection() as connection:
            for number in range(5):
                await connection.execute("BEGIN IMMEDIATE")
                await connection.execute(f"CREATE TABLE notes{number} (note)")
                calls = [asyncio.ensure_future(store.get("key", renew_for=10)) for _ in range(4)]
                await asyncio.sleep(0.03)
                await connection.commit()
                assert await asyncio.gather(*calls) == [b"1"] * 4
                await store.set("key", b"1", expires_in=100)


async def test_a_pool_that_is_used_up_is_no_error_of_the_database(tmp_path: Path) -> None:
    settings = {"database": str(tmp_path / "store.db"), "pool_size": 1, "connect_timeout": 0.2}
    async with shared_pool(connection_config=settings) as (config, store):
        await asyncio.sleep(0.2)  # the store gives its connection back
        async with config.provide_connection():
            with pytest.raises(UnavailableError):
                await store.get("key")
        assert await store.get("key") is None
