"""Where no connection is to be had, calls fail at once, unless a lane has one and serves them."""

from __future__ import annotations

import asyncio

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import UnavailableError
from tests.unit.coalescing.helpers import A, B, C, keys, outcomes, submit_all, types
from tests.unit.fake_database import FakeDatabase
from tests.unit.fake_errors import DriverError, pause
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@on_every_loop
async def test_without_a_connection_all_that_wait_fail_at_once_and_later_calls_work_again(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer()
    database.refuse_connections()
    for _ in range(2):
        answers = await outcomes([*submit_all(coalescer, database.get, [A, B]), coalescer.submit(database.set, C)])
        assert types(answers) == [UnavailableError] * 3
        assert len({id(answer) for answer in answers}) == 3
        assert all(isinstance(answer.__cause__, DriverError) for answer in answers)
    assert not database.statements

    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None


@on_every_loop
async def test_calls_fail_whose_lost_connection_cannot_be_replaced(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, A)]
    statement = await database.hold_next()
    calls.append(coalescer.submit(database.get, B))
    database.refuse_connections()
    statement.fail(Failure.DISCONNECTED)
    assert types(await outcomes(calls)) == [UnavailableError] * 2


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
