"""No call waits longer than its timeout, and a statement that nobody waits for any more is given up."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import StoreTimeoutError, UnavailableError
from tests.unit.coalescing.helpers import A, B, C, outcomes, stopwatch, submit_all, types
from tests.unit.fake_database import FakeDatabase
from tests.unit.fake_errors import pause
from tests.unit.loops import in_virtual_time, settle


@in_virtual_time
async def test_a_call_that_waits_too_long_fails_with_the_limit_in_its_text(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=2.5)
    database.hold()
    elapsed = stopwatch()
    first = coalescer.submit(database.get, A)
    await asyncio.sleep(1)
    second = coalescer.submit(database.get, B)

    with pytest.raises(StoreTimeoutError, match=r"2\.5 seconds \(timeout\)"):
        await first
    assert elapsed() == 2.5
    database.let_go()
    assert await second is None


@in_virtual_time
async def test_a_call_in_the_queue_fails_in_time_while_a_statement_goes_on_and_on(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.on_statement = pause(1000)
    elapsed = stopwatch()
    ends: dict[bytes, float] = {}

    async def call(key: bytes) -> None:
        with pytest.raises(StoreTimeoutError):
            await coalescer.submit(database.set, key)
        ends[key] = elapsed()

    async with asyncio.TaskGroup() as callers:
        for key in (A, B, C):
            callers.create_task(call(key))
            await asyncio.sleep(1)
    assert ends == {A: 10, B: 11, C: 12}


@in_virtual_time
async def test_a_statement_that_hangs_is_given_up_with_its_connection_and_others_go_on(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    stuck = submit_all(coalescer, database.set, [A, B])
    statement = await database.hold_next()
    await asyncio.sleep(9)
    later = coalescer.submit(database.set, A, "later")

    assert types(await outcomes(stuck)) == [StoreTimeoutError] * 2
    await database.finish_next()
    assert await later is None
    assert statement.connection.discarded
    assert statement.connection not in database.connected
    assert database.discarded() == [True, False]


@in_virtual_time
async def test_callers_with_more_time_still_get_the_answer_of_a_statement_that_others_gave_up(
    database: FakeDatabase,
) -> None:
    database.values = {C: "value"}
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    calls = [coalescer.submit(database.get, A)]
    first = await database.hold_next()
    await asyncio.sleep(1)
    calls.append(coalescer.submit(database.get, B))
    await asyncio.sleep(3)
    calls.append(coalescer.submit(database.get, C))
    first.finish()
    second = await database.next_statement()
    assert second.keys == [B, C]

    with pytest.raises(StoreTimeoutError):
        await calls[1]
    second.finish()
    assert await calls[2] == "value"
    assert not second.connection.discarded


@in_virtual_time
async def test_lanes_beside_one_that_hangs_go_on(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=2, max_writers=1, timeout=10)
    stuck = coalescer.submit(database.set, A)
    await database.hold_next()
    await asyncio.sleep(5)
    waiting = coalescer.submit(database.set, B)
    for _ in range(3):
        read = coalescer.submit(database.get, A)
        await database.finish_next()
        assert await read is None

    with pytest.raises(StoreTimeoutError):
        await stuck
    await database.finish_next()
    assert await waiting is None


@in_virtual_time
async def test_a_connection_that_is_slow_to_be_discarded_holds_up_no_other_lane(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=2, max_writers=1, timeout=10)
    database.on_discard = pause(1000)
    stuck = coalescer.submit(database.set, A)
    await database.hold_next()
    await asyncio.sleep(9)
    later = coalescer.submit(database.set, A, "later")
    with pytest.raises(StoreTimeoutError):
        await stuck
    await database.finish_next()
    assert await later is None


@in_virtual_time
async def test_calls_fail_in_time_while_no_connection_comes_and_work_when_it_does(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10, connect_timeout=3)
    database.on_connect = pause(1000)
    elapsed = stopwatch()
    answers = await outcomes(submit_all(coalescer, database.set, [A, B]))
    assert types(answers) == [StoreTimeoutError] * 2
    assert not any(answer.outcome_unknown for answer in answers)
    assert elapsed() == 10

    call = coalescer.submit(database.get, A)
    await asyncio.sleep(5)
    database.accept_connections()
    await call
    # The attempt that was under way takes its time; the next one does not.
    assert elapsed() < 18.5


@in_virtual_time
async def test_no_call_waits_longer_than_the_timeout_after_two_lanes_lost_their_connection(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(max_lanes=2, timeout=10)
    elapsed = stopwatch()
    early = coalescer.submit(database.get, A)
    first = await database.hold_next()
    await asyncio.sleep(8)
    late = coalescer.submit(database.get, B)
    second = await database.next_statement()

    database.on_connect = pause(1000)
    first.fail(Failure.DISCONNECTED)
    await settle()
    second.fail(Failure.DISCONNECTED)
    with pytest.raises(UnavailableError):
        await early
    assert elapsed() == 10
    with pytest.raises(UnavailableError):
        await late
    assert elapsed() == 18
