"""Calls for one key that are more than the last of them, and may not run twice."""

from __future__ import annotations

from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure, lanes
from litestar_sqlstores.coalescing.calls import Call
from litestar_sqlstores.coalescing.queue import SerialQueue
from litestar_sqlstores.errors import InvalidValueError, UnavailableError
from tests.unit.coalescing.helpers import A, B, C, keys, outcomes, submit_all, types
from tests.unit.fake_database import Amount, FakeDatabase
from tests.unit.loops import on_every_loop, settle


@on_every_loop
async def test_sums_travel_in_one_statement_and_each_call_gets_the_sum_up_to_its_own(database: FakeDatabase) -> None:
    database.values = {A: 100}
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.add, key, Amount(2**number)) for number, key in enumerate((A, B, A, B, A))]
    assert await outcomes(calls) == [101, 2, 105, 10, 121]
    assert [statement.arguments for statement in database.statements] == [{A: Amount(21), B: Amount(10)}]


@on_every_loop
async def test_a_sum_counts_what_was_cancelled_after_it_was_sent_and_not_what_was_cancelled_before(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.add, A, Amount(2**number)) for number in range(4)]
    calls[1].cancel()
    statement = await database.hold_next()
    calls[2].cancel()
    await settle()
    statement.finish()
    assert await outcomes([calls[0], calls[3]]) == [1, 13]


@on_every_loop
async def test_a_bad_summand_fails_alone(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.refuse_arguments(lambda summand: summand.amount % 2)
    calls = [coalescer.submit(database.add, A, Amount(amount)) for amount in (2, 3, 4, 6)]
    answers = await outcomes(calls)
    assert isinstance(answers[1], InvalidValueError)
    assert [answers[0], *answers[2:]] == [2, 6, 12]


@on_every_loop
async def test_calls_for_one_key_that_must_stay_apart_do_and_hold_up_no_other(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.exchange, key, value) for key, value in ((A, 1), (A, 2), (B, 3), (A, 4), (C, 5))]
    assert await outcomes(calls) == [None, 1, None, 2, None]
    assert database.batches() == [[A, B, C], [A], [A]]


@pytest.mark.parametrize("name, argument, answer", [("add", Amount(1), 1), ("exchange", 1, None)])
@on_every_loop
async def test_what_may_not_run_twice_fails_with_its_connection_but_outlives_a_conflict(
    database: FakeDatabase, name: str, argument: Any, answer: Any
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    operation = getattr(database, name)
    database.fail_once(Failure.DISCONNECTED)
    assert types(await outcomes(submit_all(coalescer, operation, [A, B], argument))) == [UnavailableError] * 2
    assert len(database.statements) == 1

    database.fail_once(Failure.CONFLICT)
    assert await outcomes(submit_all(coalescer, operation, [A, B], argument)) == [answer] * 2


@on_every_loop
async def test_what_may_not_run_twice_is_tried_after_a_split_if_it_has_not_run(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.DISCONNECTED)
    answers = await outcomes(submit_all(coalescer, database.add, [A, B], Amount(1)))
    assert isinstance(answers[0], UnavailableError)
    assert answers[1] == 1
    assert database.batches() == [[A, B], [A], [B]]


@on_every_loop
async def test_calls_that_wait_for_their_turn_cost_a_statement_nothing(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0
    first = SerialQueue._first

    def count(queue: SerialQueue, key: bytes) -> Call | None:
        nonlocal looked_at
        looked_at += 1
        return first(queue, key)

    monkeypatch.setattr(SerialQueue, "_first", count)
    coalescer = database.coalescer(max_pending=10_000)
    calls = [coalescer.submit(database.exchange, A, number) for number in range(500)]
    others = [coalescer.submit(database.exchange, key, 1) for key in keys(50)]
    assert await outcomes(calls) == [None, *range(499)]
    assert await outcomes(others) == [None] * 50
    # One for each statement, and one more for each look into the queue in vain.
    assert looked_at < 3 * len(database.statements) + 100


@on_every_loop
async def test_calls_that_wait_for_their_turn_can_be_cancelled_and_fail_in_order(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.exchange, A, number) for number in range(6)]
    statement = await database.hold_next()
    calls[1].cancel()
    calls[3].cancel()
    statement.fail(Failure.NOT_SENT)
    database.let_go()
    answers = await outcomes(calls)
    assert [answers[0], answers[2], *answers[4:]] == [None, 0, 2, 4]


@on_every_loop
async def test_keys_take_turns_where_more_wait_than_fit_into_a_statement(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_BATCH_ITEMS", 2)
    coalescer = database.coalescer(max_lanes=1)
    for key in (A, B, C) * 3:
        _ = coalescer.submit(database.exchange, key, 1)
    await coalescer.close()
    assert database.batches() == [[A, B], [A, C], [B, C], [A, B], [C]]
