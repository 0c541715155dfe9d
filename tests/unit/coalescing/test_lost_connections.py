"""A lost connection is replaced; reads, and what has certainly not run, are repeated as long as their time lasts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import StoreTimeoutError, UnavailableError
from tests.unit.coalescing.helpers import A, B, C, D, keys, outcomes, stopwatch, submit_all, types
from tests.unit.fake_database import Amount, FakeDatabase
from tests.unit.fake_errors import DriverError, fail, pause
from tests.unit.loops import in_virtual_time, on_every_loop, settle

WRITES = [("set", 1), ("delete", None), ("add", Amount(1)), ("exchange", 1)]


@pytest.mark.parametrize("operation", ["get", "touch"])
@on_every_loop
async def test_a_lost_connection_is_replaced_and_its_reads_are_repeated(database: FakeDatabase, operation: str) -> None:
    database.values = {A: 1}
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, getattr(database, operation), [A, B])) == [1, None]
    assert database.batches() == [[A, B], [A, B]]
    assert database.discarded() == [True, False]


@pytest.mark.parametrize("operation, argument", WRITES)
@on_every_loop
async def test_a_write_that_was_sent_is_not_repeated_and_its_callers_are_told(
    database: FakeDatabase, operation: str, argument: Any
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.DISCONNECTED)
    answers = await outcomes(submit_all(coalescer, getattr(database, operation), [A, B], argument))
    assert types(answers) == [UnavailableError] * 2
    assert answers[0] is not answers[1]
    assert all(answer.outcome_unknown for answer in answers)
    assert all("may have taken effect" in str(answer) for answer in answers)
    assert all(isinstance(answer.__cause__, DriverError) for answer in answers)
    assert len(database.statements) == 1


@pytest.mark.parametrize("failure", [Failure.NOT_SENT, Failure.READ_ONLY])
@pytest.mark.parametrize("operation, argument", [*WRITES, ("get", None)])
@on_every_loop
async def test_what_has_not_run_is_repeated_on_another_connection_whatever_it_is(
    database: FakeDatabase, operation: str, argument: Any, failure: Failure
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(*[failure] * 3)
    await asyncio.gather(*submit_all(coalescer, getattr(database, operation), [A, B], argument))
    assert database.discarded() == [True, True, True, False]


@on_every_loop
async def test_calls_outlive_that_all_connections_end_together(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    database.hold()
    calls: list[asyncio.Future[Any]] = []
    for operation, key in ((database.get, A), (database.length, B), (database.touch, C), (database.get, D)):
        calls.append(coalescer.submit(operation, key))
        await database.next_statement()
    database.fail_once(*[Failure.DISCONNECTED] * (len(database.running) - 1))
    for statement in list(database.running):
        statement.fail(Failure.DISCONNECTED)
        await settle()
    assert await outcomes(calls) == [None] * 4


@pytest.mark.parametrize("failure", [Failure.DISCONNECTED, Failure.NOT_SENT, Failure.READ_ONLY])
@in_virtual_time
async def test_a_read_outlives_a_failover_that_ends_within_its_timeout(
    database: FakeDatabase, failure: Failure
) -> None:
    coalescer = database.coalescer(timeout=10)
    database.always_fail(failure)
    call = coalescer.submit(database.get, A)
    await asyncio.sleep(9)
    database.let_go()
    assert await call is None
    # With growing pauses: a server that comes back is not stormed.
    assert len(database.statements) < 60


@in_virtual_time
async def test_a_call_that_loses_connection_after_connection_fails_in_time_with_the_reason(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(timeout=10)
    database.on_statement = pause(0.1, then=Failure.DISCONNECTED)
    elapsed = stopwatch()
    with pytest.raises((UnavailableError, StoreTimeoutError)) as caught:
        await coalescer.submit(database.get, A)
    assert elapsed() == 10
    assert not caught.value.outcome_unknown


@in_virtual_time
async def test_a_write_to_a_server_that_stays_read_only_fails_in_time_and_has_not_run(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.always_fail(Failure.READ_ONLY)
    elapsed = stopwatch()
    with pytest.raises(UnavailableError) as caught:
        await coalescer.submit(database.set, A, 1)
    assert elapsed() == 10
    assert not caught.value.outcome_unknown
    assert isinstance(caught.value.__cause__, DriverError)


@on_every_loop
async def test_calls_cancelled_with_the_lost_connection_are_not_repeated(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = submit_all(coalescer, database.get, [A, B])
    statement = await database.hold_next()
    calls[0].cancel()
    statement.fail(Failure.DISCONNECTED)
    assert (await database.finish_next()).keys == [B]
    assert await calls[1] is None


@on_every_loop
async def test_of_a_batch_that_was_split_only_the_part_that_was_sent_is_unknown(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.OTHER, Failure.DISCONNECTED)
    answers = await outcomes(submit_all(coalescer, database.set, keys(8), 1))
    assert types(answers[:2]) == [UnavailableError] * 2
    assert answers[2:] == [None] * 6
    assert database.values.keys() == set(keys(8)[2:])


@on_every_loop
async def test_a_connection_that_cannot_be_discarded_costs_no_answer(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.on_discard = fail(Failure.OTHER)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.get, [A, B])) == [None, None]


@in_virtual_time
async def test_a_write_that_timed_out_says_whether_it_was_sent(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1), coalescer.submit(database.get, B)]
    await database.next_statement()
    calls.append(coalescer.submit(database.set, B, 1))
    answers = await outcomes(calls)
    assert types(answers) == [StoreTimeoutError] * 3
    assert [answer.outcome_unknown for answer in answers] == [True, False, False]
    assert ["may have taken effect" in str(answer) for answer in answers] == [True, False, False]


@in_virtual_time
async def test_a_write_that_timed_out_between_two_attempts_has_not_run(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=1)
    database.always_fail(Failure.BUSY)
    with pytest.raises(StoreTimeoutError) as caught:
        await coalescer.submit(database.set, A, 1)
    assert not caught.value.outcome_unknown


@in_virtual_time
async def test_a_read_that_timed_out_is_never_unknown(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=1)
    database.hold()
    with pytest.raises(StoreTimeoutError) as caught:
        await coalescer.submit(database.touch, A)
    assert not caught.value.outcome_unknown
