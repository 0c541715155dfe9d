"""What was given up, or lost with its connection, is dead before others write the same keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import StoreTimeoutError, UnavailableError
from tests.unit.coalescing.helpers import A, B, outcomes, stopwatch
from tests.unit.fake_database import Connection, FakeDatabase
from tests.unit.fake_errors import DriverError, fail, pause
from tests.unit.loops import in_virtual_time, settle


async def lose(database: FakeDatabase, call: asyncio.Future[Any]) -> None:
    """Have a call lose its connection."""
    statement = await database.hold_next()
    statement.fail(Failure.DISCONNECTED)
    database.let_go()
    with pytest.raises(UnavailableError):
        await call


@in_virtual_time
async def test_keys_of_a_lost_write_wait_until_it_is_dead_and_others_do_not(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_kill = pause(1.5)
    await lose(database, coalescer.submit(database.set, A, "lost"))
    elapsed = stopwatch()
    later = coalescer.submit(database.set, A, "later")
    await coalescer.submit(database.set, B, "other")
    await coalescer.submit(database.get, A)
    assert elapsed() < 0.1
    await later
    assert 1.4 < elapsed() < 1.6
    assert database.kills == [database.connections[0]]


@in_virtual_time
async def test_keys_of_a_write_that_was_given_up_wait_until_it_is_dead(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_kill = pause(1.5)
    stuck = coalescer.submit(database.set, A, "stuck")
    await database.hold_next()
    await asyncio.sleep(9)
    later = coalescer.submit(database.set, A, "later")
    elapsed = stopwatch()
    with pytest.raises(StoreTimeoutError):
        await stuck
    database.let_go()
    await later
    assert 2.4 < elapsed() < 2.7


@in_virtual_time
async def test_what_could_not_be_killed_is_tried_again(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    elapsed = stopwatch()

    async def fail_for_a_while(_: Connection) -> None:
        if elapsed() < 3:
            raise DriverError(Failure.DISCONNECTED)

    database.on_kill = fail_for_a_while
    await lose(database, coalescer.submit(database.set, A, "lost"))
    await coalescer.submit(database.set, A, "later")
    assert 3 <= elapsed() < 3.5
    assert len(database.kills) > 3


@in_virtual_time
async def test_an_attempt_that_hangs_is_replaced(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    elapsed = stopwatch()

    async def hang_once(_: Connection) -> None:
        if len(database.kills) == 1:
            await asyncio.sleep(1000)

    database.on_kill = hang_once
    await lose(database, coalescer.submit(database.set, A, "lost"))
    await coalescer.submit(database.set, A, "later")
    assert elapsed() < 3


@in_virtual_time
async def test_a_server_that_has_gone_for_good_does_not_keep_the_keys(
    database: FakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    coalescer = database.coalescer(timeout=5)
    database.on_kill = fail(Failure.DISCONNECTED)
    await lose(database, coalescer.submit(database.set, A, "lost"))
    elapsed = stopwatch()
    await coalescer.submit(database.set, A, "later")
    assert 4 < elapsed() < 5
    assert [record.getMessage() for record in caplog.records] == [
        "a statement that was given up could not be cancelled: DriverError"
    ]


@in_virtual_time
async def test_a_read_that_renews_waits_for_nothing(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_kill = fail(Failure.DISCONNECTED)
    database.fail_once(Failure.DISCONNECTED)
    elapsed = stopwatch()
    await coalescer.submit(database.touch, A)
    assert elapsed() < 0.1
    # To have it end early is a courtesy to the server, which is not insisted on.
    assert len(database.kills) == 1


@in_virtual_time
async def test_what_has_not_run_needs_no_kill(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_kill = fail(Failure.DISCONNECTED)
    database.fail_once(Failure.NOT_SENT, Failure.READ_ONLY)
    await coalescer.submit(database.set, A, 1)
    assert database.kills == []


@in_virtual_time
async def test_closing_does_not_wait_long_for_the_dead(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_kill = pause(1000)
    await lose(database, coalescer.submit(database.set, A, "lost"))
    await settle()
    elapsed = stopwatch()
    await coalescer.close()
    assert elapsed() <= 2
    coalescer.open()
    assert await outcomes([coalescer.submit(database.set, A, 1)]) == [None]
