"""Calls from any event loop are made in one, the home, which changes when that one ends or another one opens it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Home
from litestar_sqlstores.coalescing.visits import GRACE_SECONDS
from litestar_sqlstores.errors import (
    ClosedError,
    ConfigurationError,
    InvalidValueError,
    StoreTimeoutError,
    UnavailableError,
)
from tests.unit.coalescing.helpers import A, B, keys
from tests.unit.fake_database import Connection, FakeDatabase, Statement
from tests.unit.fake_errors import pause
from tests.unit.threads import PATIENCE, LoopThread, in_thread
from tests.unit.threads import until as until_it
from tests.waiting import until


@pytest.fixture
def seen(database: FakeDatabase) -> list[asyncio.AbstractEventLoop]:
    """The event loops that statements have run in."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def note(_: Statement) -> None:
        loops.append(asyncio.get_running_loop())

    database.on_statement = note
    return loops


@pytest.fixture
def outer() -> Iterator[LoopThread]:
    with LoopThread() as thread:
        yield thread


async def get(home: Home[Connection], database: FakeDatabase, key: bytes = A) -> Any:
    return await home.submit(database.get, key)


async def set_(home: Home[Connection], database: FakeDatabase, key: bytes = A, value: Any = 1) -> Any:
    return await home.submit(database.set, key, value)


async def open_(home: Home[Connection]) -> None:
    home.open()


# -- calls from elsewhere


def test_calls_of_another_event_loop_are_made_in_the_home(
    database: FakeDatabase, seen: list[asyncio.AbstractEventLoop], outer: LoopThread
) -> None:
    home = database.coalescer()
    outer.call(set_, home, database)
    assert asyncio.run(get(home, database)) == 1
    assert in_thread(lambda: asyncio.run(get(home, database))).result(PATIENCE) == 1
    assert seen == [outer.loop] * 3
    assert not database.left


def test_threads_share_the_connections(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(max_lanes=2)
    outer.call(get, home, database)

    async def use(name: int) -> list[Any]:
        mine = [b"%d-%d" % (name, number) for number in range(100)]
        await asyncio.gather(*(home.submit(database.set, key, key) for key in mine))
        found = await asyncio.gather(*(home.submit(database.get, key) for key in mine))
        assert found == mine
        return found

    threads = [in_thread(lambda name=name: asyncio.run(use(name))) for name in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.result(PATIENCE)
    assert database.most["connections"] <= 2
    outer.call(home.close)
    assert not database.violations
    assert not database.connected


def test_errors_reach_the_caller(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(max_pending=1)
    outer.call(open_, home)
    database.refuse_keys(A)
    with pytest.raises(InvalidValueError):
        asyncio.run(set_(home, database))


def test_to_cancel_the_caller_cancels_the_call(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(max_lanes=1)
    outer.call(open_, home)
    database.hold()

    async def give_up() -> None:
        first = home.submit(database.set, A, 1)
        # It is under way, and the second one waits.
        await asyncio.to_thread(until_it, lambda: len(database.running) == 1)
        second = home.submit(database.set, B, 1)
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0)  # it is on its way to the other event loop
        outer.loop.call_soon_threadsafe(database.let_go)
        await first

    asyncio.run(give_up())
    outer.call(home.close)
    assert database.values == {A: 1}


def test_what_the_home_does_not_answer_in_time_fails(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(timeout=0.2)
    outer.call(open_, home)
    database.on_statement = pause(1000)
    with pytest.raises(StoreTimeoutError, match=r"no answer from the database in 0\.2 seconds"):
        asyncio.run(get(home, database))


def test_a_home_that_waits_for_the_call_itself_is_found_out_in_time(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(timeout=0.2)

    async def block() -> None:
        home.open()
        in_thread(lambda: asyncio.run(set_(home, database))).result(PATIENCE)

    with pytest.raises(StoreTimeoutError, match=r"event loop that the store runs in.*sync_to_thread=True"):
        outer.call(block)
    # What was given up is not made later.
    assert outer.call(get, home, database) is None
    assert not database.effects


def test_a_loop_within_the_home_is_refused(database: FakeDatabase) -> None:
    home = database.coalescer()
    inner = asyncio.new_event_loop()

    async def nest() -> None:
        home.open()
        outer = asyncio.get_running_loop()
        # As nest_asyncio and the like do.
        asyncio._set_running_loop(None)
        try:
            for call in (get(home, database), home.close()):
                with pytest.raises(ConfigurationError, match="event loop inside which this one runs"):
                    inner.run_until_complete(call)
        finally:
            asyncio._set_running_loop(outer)
        assert await get(home, database) is None

    try:
        asyncio.run(nest())
    finally:
        inner.close()


# -- the end of the home


def test_a_home_that_has_ended_is_left_for_that_of_the_caller(
    database: FakeDatabase, seen: list[asyncio.AbstractEventLoop]
) -> None:
    home = database.coalescer()
    for _ in range(3):
        asyncio.run(set_(home, database))
    assert len(set(seen)) == 3
    assert [ends for _, ends in database.left] == [True] * 3
    assert [loop for loop, _ in database.left] == seen
    assert not database.connected


@pytest.mark.parametrize("operation", ["get", "set"])
def test_what_waits_in_an_event_loop_that_ends_is_called_in_that_of_the_caller(
    database: FakeDatabase, operation: str
) -> None:
    home = database.coalescer(max_lanes=1)
    with LoopThread() as thread:
        thread.call(open_, home)
        database.hold()
        blocker = thread.start(set_, home, database, B)
        until_it(lambda: len(database.running) == 1)
        waiting = in_thread(lambda: asyncio.run(_call(home, getattr(database, operation))))
        until_it(lambda: thread.call(_waiting, home) == 1)
        database.on_statement = pause(0)
    assert blocker.cancelled()
    assert waiting.result(PATIENCE) is None
    assert database.statements[-1].operation == operation
    assert database.left[0] == (thread.loop, True)


async def _call(home: Home[Connection], operation: Any) -> Any:
    return await home.submit(operation, A, 1)


async def _waiting(home: Home[Connection]) -> int:
    return home.coalescer._queues.waiting


def test_of_what_is_under_way_in_an_event_loop_that_ends_writes_are_not_repeated(database: FakeDatabase) -> None:
    home = database.coalescer(max_lanes=2)
    with LoopThread() as thread:
        thread.call(open_, home)
        database.hold()
        write = in_thread(lambda: asyncio.run(set_(home, database, B)))
        read = in_thread(lambda: asyncio.run(get(home, database)))
        until_it(lambda: len(database.running) == 2)
        database.on_statement = pause(0)
    assert read.result(PATIENCE) is None
    with pytest.raises(UnavailableError, match="nobody knows whether"):
        write.result(PATIENCE)
    assert [statement.operation for statement in database.statements].count("set") == 1


def test_an_event_loop_that_rests_is_left_and_cleans_up_when_it_runs_again(
    database: FakeDatabase, seen: list[asyncio.AbstractEventLoop]
) -> None:
    home = database.coalescer()
    with asyncio.Runner() as notebook:
        notebook.run(set_(home, database))
        with asyncio.Runner() as other:
            assert other.run(get(home, database)) == 1
            assert seen == [notebook.get_loop(), other.get_loop()]
            assert len(database.connected) == 2
            notebook.run(asyncio.sleep(0.01))
            assert len(database.connected) == 1
            assert database.left == [(notebook.get_loop(), False)]
            assert notebook.run(get(home, database)) == 1
            assert seen[-1] is notebook.get_loop()
    assert not database.connected
    assert not database.violations


def test_a_home_of_which_nobody_knows_any_more_closes(database: FakeDatabase) -> None:
    home = Home(database.connector, database.coalescer()._limits)

    async def left() -> bool:
        return bool(database.left)

    async def forget() -> None:
        nonlocal home
        await get(home, database)
        del home
        gc.collect()
        await until(left)
        assert not database.connected
        assert database.left == [(asyncio.get_running_loop(), False)]

    asyncio.run(forget())


# -- opening


def test_the_store_runs_where_it_was_opened_last(
    database: FakeDatabase, seen: list[asyncio.AbstractEventLoop], outer: LoopThread
) -> None:
    home = database.coalescer()

    async def leave(last: bool) -> None:
        await home.leave(last=last)

    outer.call(open_, home)
    outer.call(get, home, database)
    with LoopThread() as inner:
        inner.call(open_, home)
        outer.call(get, home, database)
        inner.call(leave, False)
        outer.call(get, home, database)
        asyncio.run(get(home, database))
        assert seen == [outer.loop, inner.loop, outer.loop, outer.loop]
        until_it(lambda: not [connection for connection in database.connected if connection.number == 1])
        assert (inner.loop, False) in database.left
    outer.call(leave, True)
    assert database.closed == [outer.loop]
    assert not database.connected


def test_an_event_loop_that_is_blocked_does_not_keep_the_store_from_another_one(
    database: FakeDatabase, outer: LoopThread
) -> None:
    # As a test is while it waits for the application that its client runs.
    home = database.coalescer()

    async def test() -> None:
        await set_(home, database)
        with LoopThread() as application:
            application.call(open_, home)
            assert application.call(get, home, database) == 1
            application.call(home.close)

    outer.call(test)
    until_it(lambda: (outer.loop, False) in database.left)
    assert not database.connected


# -- closing


def test_it_closes_from_another_event_loop(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(max_lanes=1)
    outer.call(open_, home)
    database.hold()
    calls = [outer.start(set_, home, database, key) for key in keys(3)]
    until_it(lambda: database.running and len(database.running[0].keys) + outer.call(_waiting, home) == 3)
    closing = in_thread(lambda: asyncio.run(home.close()))
    until_it(lambda: home._stay is not None and home._stay.coalescer.closed)
    outer.loop.call_soon_threadsafe(database.let_go)
    closing.result(PATIENCE)
    assert [call.result(PATIENCE) for call in calls] == [None] * 3
    assert database.closed == [outer.loop]
    assert not database.connected
    with pytest.raises(ClosedError):
        asyncio.run(get(home, database))
    with pytest.raises(ClosedError):
        outer.call(get, home, database)


def test_what_was_closed_opens_again_once_the_event_loop_has_ended(database: FakeDatabase) -> None:
    home = database.coalescer()
    with LoopThread() as thread:
        thread.call(set_, home, database)
        thread.call(home.close)
        with pytest.raises(ClosedError):
            asyncio.run(get(home, database))
    assert asyncio.run(get(home, database)) == 1
    assert not database.connected


def test_it_may_be_closed_before_it_was_used_in_whatever_event_loop(database: FakeDatabase) -> None:
    home = database.coalescer()
    for _ in range(2):
        asyncio.run(home.close())
    assert asyncio.run(get(home, database)) is None


# -- clocks


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As freezegun has it: ``time.monotonic`` shows the wall clock, and does not move."""
    monkeypatch.setattr(time, "monotonic", lambda: 1_577_836_800.0)


@pytest.mark.usefixtures("frozen_clock")
def test_calls_end_in_time_though_the_clock_stands_still(database: FakeDatabase) -> None:
    home = database.coalescer(timeout=0.2, max_lanes=1)

    async def use() -> None:
        database.on_statement = pause_by_thread
        with pytest.raises(StoreTimeoutError):
            await get(home, database)
        database.let_go()
        assert await get(home, database) is None
        await home.close()

    asyncio.run(use())
    assert not database.connected


async def pause_by_thread(_: Statement) -> None:
    await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 1)


@pytest.mark.usefixtures("frozen_clock")
def test_closing_ends_in_time_though_the_clock_stands_still(database: FakeDatabase) -> None:
    home = database.coalescer(timeout=0.2, max_lanes=1)

    async def wait_for_ever(_: Statement) -> None:
        await asyncio.Event().wait()

    async def use() -> None:
        database.on_statement = wait_for_ever
        call = home.submit(database.get, A)
        await asyncio.sleep(0)
        await home.close()
        with pytest.raises(StoreTimeoutError):
            await call

    asyncio.run(use())
    assert not database.connected


@pytest.mark.usefixtures("frozen_clock")
def test_lanes_give_others_a_chance_though_the_clock_stands_still(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litestar_sqlstores.coalescing.lanes.HOLD_SECONDS", 0.02)
    home = database.coalescer(max_lanes=1)

    async def use() -> None:
        while len(database.connections) < 3:
            await get(home, database)
        await home.close()

    asyncio.run(asyncio.wait_for(use(), None))
    assert not database.connected


def test_a_clock_that_is_stopped_meanwhile_times_nothing_out(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = database.coalescer(timeout=5)
    real = time.monotonic

    async def use() -> None:
        database.hold()
        call = home.submit(database.get, A)
        await database._held.get()
        monkeypatch.setattr(time, "monotonic", lambda: 1_577_836_800.0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not call.done()
        monkeypatch.setattr(time, "monotonic", real)
        database.let_go()
        assert await call is None
        await home.close()

    asyncio.run(use())


def test_a_caller_waits_a_little_longer_than_the_home(database: FakeDatabase, outer: LoopThread) -> None:
    home = database.coalescer(timeout=0.1)
    outer.call(open_, home)
    # The home has the better reason.
    database.on_connect = pause(1000)
    assert GRACE_SECONDS > 0
    with pytest.raises(StoreTimeoutError, match="no connection to the database"):
        asyncio.run(get(home, database))
