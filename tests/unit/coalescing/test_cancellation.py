"""A caller that is cancelled drops out, and the others do not notice."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import OverloadedError
from tests.unit.coalescing.helpers import A, B, C, D, E, keys, outcomes, submit_all
from tests.unit.fake_database import FakeDatabase
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@on_every_loop
async def test_a_cancelled_call_that_waits_is_not_made(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    first = coalescer.submit(database.set, A, 1)
    statement = await database.hold_next()
    calls = submit_all(coalescer, database.set, [B, C, D], 2)
    calls[1].cancel()
    statement.finish()

    assert (await database.finish_next()).keys == [B, D]
    assert await outcomes([first, calls[0], calls[2]]) == [None] * 3
    assert database.values.keys() == {A, B, D}


@on_every_loop
async def test_a_cancelled_call_in_a_statement_does_no_harm_to_the_others(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = submit_all(coalescer, database.set, [A, B, C], 1)
    statement = await database.hold_next()
    calls[1].cancel()
    await settle()
    statement.finish()

    assert await outcomes([calls[0], calls[2]]) == [None, None]
    assert len(database.connections) == 1


@on_every_loop
async def test_the_cancelled_task_that_made_the_first_call_takes_nobody_along(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)

    async def call() -> Any:
        return await coalescer.submit(database.get, A)

    first = asyncio.create_task(call())
    statement = await database.hold_next()
    other = coalescer.submit(database.get, B)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    statement.finish()
    await database.finish_next()
    assert await other is None
    assert len(database.connections) == 1


@on_every_loop
async def test_when_all_callers_are_cancelled_the_next_one_finds_everything_in_order(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = submit_all(coalescer, database.set, [A, B], 1)
    statement = await database.hold_next()
    calls += submit_all(coalescer, database.set, [C, D], 1)
    for call in calls:
        call.cancel()
    await settle()
    statement.finish()
    await settle()
    database.let_go()

    await coalescer.submit(database.set, E, 2)
    assert database.batches() == [[A, B], [E]]


@on_every_loop
async def test_a_call_cancelled_before_its_lane_has_a_connection_is_not_made(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    coalescer.submit(database.set, A, 1).cancel()
    await settle()
    assert not database.statements


@on_every_loop
async def test_a_split_leaves_out_the_calls_that_are_cancelled(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = submit_all(coalescer, database.set, [A, B, C, D], 1)
    statement = await database.hold_next()
    calls[2].cancel()
    await settle()
    statement.fail(Failure.OTHER)
    database.let_go()
    assert await outcomes([calls[0], calls[1], calls[3]]) == [None] * 3
    assert sorted(itertools.chain(*database.batches()[1:])) == [A, B, D]


@on_every_loop
async def test_calls_that_are_cancelled_take_no_place_in_the_queue(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, max_pending=10)
    first = coalescer.submit(database.get, A)
    await database.hold_next()
    for call in submit_all(coalescer, database.get, keys(10)):
        call.cancel()
    await settle()

    other = coalescer.submit(database.get, B)
    database.let_go()
    assert await outcomes([first, other]) == [None, None]


@in_virtual_time
async def test_there_is_room_again_each_time_that_callers_give_up(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, max_pending=10)
    first = coalescer.submit(database.get, A)
    await database.hold_next()
    for _ in range(3):
        calls = submit_all(coalescer, database.get, keys(10))
        with pytest.raises(OverloadedError):
            _ = coalescer.submit(database.get, B)
        for call in calls[:4]:
            call.cancel()
        await asyncio.sleep(0.1)
        calls[:4] = submit_all(coalescer, database.get, keys(4))
        with pytest.raises(OverloadedError):
            _ = coalescer.submit(database.get, B)
        for call in calls:
            call.cancel()
        await asyncio.sleep(0.1)
    database.let_go()
    assert await first is None
