"""Deadlocks and the like are tried again while somebody waits for the answer."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.coalescing.statements import MAX_CONFLICT_RETRIES
from litestar_sqlstores.errors import ConflictError, StoreTimeoutError
from tests.unit.coalescing.helpers import A, B, outcomes, submit_all, types
from tests.unit.fake_database import FakeDatabase
from tests.unit.fake_errors import pause
from tests.unit.loops import in_virtual_time, settle


@in_virtual_time
async def test_a_conflict_is_tried_again_until_it_is_over(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    database.fail_once(*[Failure.CONFLICT] * MAX_CONFLICT_RETRIES)
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.batches() == [[A, B]] * (MAX_CONFLICT_RETRIES + 1)
    assert not any(database.discarded())


@in_virtual_time
async def test_a_lock_is_waited_for_as_long_as_somebody_waits_for_the_answer(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    database.fail_once(*[Failure.BUSY] * (10 * MAX_CONFLICT_RETRIES))
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.batches() == [[A, B]] * (10 * MAX_CONFLICT_RETRIES + 1)

    database.always_fail(Failure.BUSY)
    assert types(await outcomes(submit_all(coalescer, database.set, [A, B], 1))) == [StoreTimeoutError] * 2


@in_virtual_time
async def test_conflicts_without_end_fail_all_calls_of_the_statement(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    database.always_fail(Failure.CONFLICT)
    answers = await outcomes(submit_all(coalescer, database.set, [A, B], 1))
    assert types(answers) == [ConflictError] * 2
    assert answers[0] is not answers[1]
    assert database.batches() == [[A, B]] * (MAX_CONFLICT_RETRIES + 1)
    assert not any(database.discarded())


@in_virtual_time
async def test_a_conflict_is_not_tried_again_when_nobody_waits(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    call = coalescer.submit(database.set, A)
    statement = await database.hold_next()
    call.cancel()
    statement.fail(Failure.CONFLICT)
    await settle()
    await asyncio.sleep(5)
    assert len(database.statements) == 1


@in_virtual_time
async def test_a_conflict_while_a_split_is_under_way_is_tried_again_too(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.CONFLICT, Failure.CONFLICT)
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.values == {A: 1, B: 1}


@in_virtual_time
async def test_a_call_that_meets_conflicts_until_its_time_is_up_says_so(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=1)
    database.on_statement = pause(0.4, then=Failure.CONFLICT)
    with pytest.raises(StoreTimeoutError):
        await coalescer.submit(database.set, A)
