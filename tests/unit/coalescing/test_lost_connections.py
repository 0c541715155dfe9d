"""A lost connection is replaced, and its calls are tried again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.coalescing.statements import LOSS_SECONDS, MAX_LOSSES
from litestar_sqlstores.errors import UnavailableError
from tests.unit.coalescing.helpers import A, B, C, D, keys, outcomes, submit_all, types
from tests.unit.fake_database import Amount, FakeDatabase
from tests.unit.fake_errors import DriverError, fail, pause
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@on_every_loop
async def test_a_lost_connection_is_replaced_and_its_calls_are_tried_again(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.values == {A: 1, B: 1}
    assert database.batches() == [[A, B], [A, B]]
    assert database.discarded() == [True, False]


@on_every_loop
async def test_calls_outlive_that_all_connections_end_together(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    database.hold()
    calls: list[asyncio.Future[Any]] = []
    for operation, key in ((database.get, A), (database.length, B), (database.set, C), (database.delete, D)):
        calls.append(coalescer.submit(operation, key))
        await database.next_statement()
    database.fail_once(*[Failure.DISCONNECTED] * (len(database.running) - 1))
    for statement in list(database.running):
        statement.fail(Failure.DISCONNECTED)
        await settle()
    assert await outcomes(calls) == [None] * 4


@on_every_loop
async def test_calls_that_lose_connection_after_connection_fail(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(*[Failure.DISCONNECTED] * (MAX_LOSSES + 1))
    answers = await outcomes(submit_all(coalescer, database.set, [A, B], 1))
    assert types(answers) == [UnavailableError] * 2
    assert answers[0] is not answers[1]
    assert all(isinstance(answer.__cause__, DriverError) for answer in answers)
    assert await coalescer.submit(database.set, A, 2) is None


@in_virtual_time
async def test_calls_that_lose_connections_slowly_fail_with_the_second(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.on_statement = pause(LOSS_SECONDS, then=Failure.DISCONNECTED)
    with pytest.raises(UnavailableError):
        await coalescer.submit(database.get, A)
    assert len(database.statements) == 2


@on_every_loop
async def test_what_was_not_sent_is_sent_on_another_connection_however_often_and_whatever_it_is(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(*[Failure.NOT_SENT] * 3)
    assert await outcomes(submit_all(coalescer, database.add, [A, B], Amount(1))) == [1, 1]
    assert database.discarded() == [True, True, True, False]


@on_every_loop
async def test_each_call_has_tries_of_its_own(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, A)]
    statement = await database.hold_next()
    calls.append(coalescer.submit(database.get, B))
    statement.fail(Failure.DISCONNECTED)

    for _ in range(MAX_LOSSES):
        statement = await database.next_statement()
        assert statement.keys == [A, B]
        statement.fail(Failure.DISCONNECTED)
    with pytest.raises(UnavailableError):
        await calls[0]
    assert (await database.finish_next()).keys == [B]
    assert await calls[1] is None


@on_every_loop
async def test_calls_cancelled_with_the_lost_connection_are_not_tried_again(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = submit_all(coalescer, database.set, [A, B], 1)
    statement = await database.hold_next()
    calls[0].cancel()
    statement.fail(Failure.DISCONNECTED)
    assert (await database.finish_next()).keys == [B]
    assert await calls[1] is None


@on_every_loop
async def test_a_connection_lost_in_a_split_costs_no_answer(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.OTHER, Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.set, keys(8), 1)) == [None] * 8
    assert database.values.keys() == set(keys(8))


@on_every_loop
async def test_a_connection_that_cannot_be_discarded_costs_no_answer(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.on_discard = fail(Failure.OTHER)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.get, [A, B])) == [None, None]
