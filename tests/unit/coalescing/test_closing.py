"""What close does with the calls and the connections there are, and opening again."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.coalescing.lanes import LINGER_SECONDS
from litestar_sqlstores.errors import ClosedError, StoreTimeoutError
from tests.unit.coalescing.helpers import A, B, C, outcomes, stopwatch, submit_all, types
from tests.unit.fake_database import FakeDatabase
from tests.unit.fake_errors import pause
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@on_every_loop
async def test_close_answers_what_is_under_way_and_what_waits_and_refuses_the_rest(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.set, A, 1)]
    await database.hold_next()
    calls += submit_all(coalescer, database.set, [A, B], 2)
    closing = asyncio.create_task(coalescer.close())
    await settle()
    with pytest.raises(ClosedError, match=r"store is closed.*async with store"):
        _ = coalescer.submit(database.get, A)
    assert not closing.done()

    database.let_go()
    await closing
    assert [call.result() for call in calls] == [None] * 3
    assert database.values == {A: 2, B: 2}
    assert not database.connected


@on_every_loop
async def test_close_may_be_called_again_and_at_once_and_before_any_use(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    await coalescer.close()
    coalescer.open()
    call = coalescer.submit(database.get, A)
    await asyncio.gather(coalescer.close(), coalescer.close())
    await coalescer.close()
    assert call.result() is None
    assert not database.connected
    with pytest.raises(ClosedError):
        _ = coalescer.submit(database.get, A)


@on_every_loop
async def test_what_was_closed_can_be_opened_again(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    for number in range(3):
        await coalescer.submit(database.set, A, number)
        await coalescer.close()
        assert not database.connected
        coalescer.open()
        assert await coalescer.submit(database.get, A) == number


@in_virtual_time
async def test_close_gives_idle_connections_back_at_once(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    await coalescer.submit(database.get, A)
    await settle()
    elapsed = stopwatch()
    await coalescer.close()
    assert not database.connected
    assert elapsed() == 0


@in_virtual_time
async def test_close_ends_although_a_statement_does_not(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=2, timeout=10)
    calls = [coalescer.submit(database.set, A)]
    await database.hold_next()
    await asyncio.sleep(5)
    calls.append(coalescer.submit(database.set, A))
    elapsed = stopwatch()
    await coalescer.close()
    assert elapsed() <= 10.001
    assert types(await outcomes(calls)) == [StoreTimeoutError] * 2


@in_virtual_time
async def test_a_statement_that_outlives_close_fails_its_calls_and_cancels_nobody(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.hold()
    call = coalescer.submit(database.set, A)
    closing = asyncio.create_task(coalescer.close())
    with pytest.raises(StoreTimeoutError):
        await call
    await closing


@in_virtual_time
async def test_close_ends_while_no_connection_comes_and_the_coalescer_can_be_used_again(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_connect = pause(1000)
    call = coalescer.submit(database.get, A)
    await asyncio.sleep(1)
    elapsed = stopwatch()
    await coalescer.close()
    assert elapsed() <= 10.001
    with pytest.raises(StoreTimeoutError):
        await call

    coalescer.open()
    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None


@in_virtual_time
async def test_close_replaces_a_lost_connection_for_what_waits(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, A)]
    statement = await database.hold_next()
    calls.append(coalescer.submit(database.set, B, 1))
    closing = asyncio.create_task(coalescer.close())
    await settle()
    statement.fail(Failure.DISCONNECTED)
    database.let_go()
    await closing
    assert [call.result() for call in calls] == [None, None]


@in_virtual_time
async def test_close_answers_a_call_made_while_the_only_connection_goes_back(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.on_release = pause(1)
    await coalescer.submit(database.get, A)
    await asyncio.sleep(LINGER_SECONDS + 0.5)
    call = coalescer.submit(database.get, A)
    await coalescer.close()
    assert call.result() is None


@in_virtual_time
async def test_calls_made_after_it_is_opened_while_it_closes_are_answered(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    calls = [coalescer.submit(database.set, A, 1)]
    first = await database.hold_next()
    closing = asyncio.create_task(coalescer.close())
    await settle()
    coalescer.open()
    calls.append(coalescer.submit(database.set, B, 1))
    first.finish()
    second = await database.next_statement()
    calls.append(coalescer.submit(database.set, C, 1))
    await asyncio.sleep(5)
    second.finish()
    await database.finish_next()
    assert await outcomes(calls) == [None] * 3
    await closing


@in_virtual_time
async def test_calls_that_are_under_way_outlive_that_it_is_opened_while_it_closes(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=2, timeout=10)
    database.hold()
    calls = []
    for key in (A, B):
        calls.append(coalescer.submit(database.set, key, 1))
        await settle()
    assert len(database.running) == 2
    closing = asyncio.create_task(coalescer.close())
    await settle()
    coalescer.open()
    database.running[0].finish()
    await closing
    database.let_go()
    assert await outcomes(calls) == [None, None]
