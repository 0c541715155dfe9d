"""Where no connection is to be had, calls wait for one as long as they have time, unless that would not help."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import UnavailableError
from tests.unit.coalescing.helpers import A, B, C, keys, outcomes, stopwatch, submit_all, types
from tests.unit.fake_database import FakeDatabase
from tests.unit.fake_errors import DriverError, fail, pause
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@in_virtual_time
async def test_without_a_connection_all_that_wait_fail_in_time_with_the_reason(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.refuse_connections()
    for _ in range(2):
        elapsed = stopwatch()
        answers = await outcomes([*submit_all(coalescer, database.get, [A, B]), coalescer.submit(database.set, C)])
        assert elapsed() == 10
        assert types(answers) == [UnavailableError] * 3
        assert len({id(answer) for answer in answers}) == 3
        assert all(isinstance(answer.__cause__, DriverError) for answer in answers)
        assert not any(answer.outcome_unknown for answer in answers)
    assert not database.statements
    # With growing pauses.
    assert database.attempts < 120

    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None


@in_virtual_time
async def test_calls_outlive_a_server_that_is_away_for_less_than_their_timeout(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.refuse_connections()
    calls = [*submit_all(coalescer, database.get, [A, B]), coalescer.submit(database.set, C, 1)]
    await asyncio.sleep(9)
    database.accept_connections()
    elapsed = stopwatch()
    assert await outcomes(calls) == [None] * 3
    assert elapsed() < 0.5


@pytest.mark.parametrize("failure", [Failure.INACCESSIBLE, Failure.OTHER, Failure.MISSING_SCHEMA])
@in_virtual_time
async def test_calls_fail_at_once_where_waiting_would_not_help(database: FakeDatabase, failure: Failure) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_connect = fail(failure)
    elapsed = stopwatch()
    answers = await outcomes(submit_all(coalescer, database.get, [A, B]))
    assert elapsed() == 0
    assert all(isinstance(answer.__cause__, DriverError) for answer in answers)


@in_virtual_time
async def test_calls_outlive_that_their_lost_connection_cannot_be_replaced_at_once(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    calls = [coalescer.submit(database.get, A)]
    statement = await database.hold_next()
    calls.append(coalescer.submit(database.get, B))
    database.refuse_connections()
    statement.fail(Failure.DISCONNECTED)
    await asyncio.sleep(5)
    database.accept_connections()
    database.let_go()
    assert await outcomes(calls) == [None] * 2


@in_virtual_time
async def test_nobody_asks_for_connections_for_callers_who_have_gone(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.refuse_connections()
    call = coalescer.submit(database.get, A)
    await asyncio.sleep(1)
    call.cancel()
    await asyncio.sleep(1)
    attempts = database.attempts
    await asyncio.sleep(5)
    assert database.attempts == attempts


@in_virtual_time
async def test_closing_does_not_wait_for_a_server_that_is_away(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.refuse_connections()
    call = coalescer.submit(database.get, A)
    await asyncio.sleep(1)
    elapsed = stopwatch()
    await coalescer.close()
    assert elapsed() < 1
    with pytest.raises(UnavailableError):
        await call


@on_every_loop
async def test_a_further_lane_that_finds_no_connection_harms_nobody(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    first = coalescer.submit(database.get, A)
    await database.hold_next()
    database.refuse_connections()
    others = submit_all(coalescer, database.get, keys(100))
    await settle()
    assert not any(call.done() for call in others)

    database.let_go()
    assert await outcomes([first, *others]) == [None] * 101


@in_virtual_time
async def test_a_further_lane_does_not_ask_for_a_connection_again_and_again(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    first = coalescer.submit(database.get, A)
    await database.hold_next()
    database.on_connect = pause(0.001, then=Failure.DISCONNECTED)
    other = coalescer.submit(database.get, B)
    await asyncio.sleep(0.4)
    assert database.attempts < 20

    database.let_go()
    assert await outcomes([first, other]) == [None, None]
