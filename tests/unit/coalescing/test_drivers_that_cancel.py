"""What drivers make of being given up, and drivers that cancel themselves."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import StoreError, StoreTimeoutError
from tests.unit.coalescing.helpers import A, B, outcomes, submit_all
from tests.unit.fake_database import FakeDatabase, Statement
from tests.unit.fake_errors import DriverError
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@in_virtual_time
async def test_a_statement_may_take_its_time_to_notice_that_it_was_given_up(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)

    async def clean_up_slowly(statement: Statement) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(3)

    database.on_statement = clean_up_slowly
    stuck = coalescer.submit(database.get, A)
    await asyncio.sleep(9)
    later = coalescer.submit(database.get, B)
    with pytest.raises(StoreTimeoutError):
        await stuck
    database.let_go()
    assert await later is None


@pytest.mark.parametrize("error", [None, DriverError(Failure.OTHER), DriverError(Failure.DISCONNECTED)])
@in_virtual_time
async def test_a_driver_may_make_something_else_of_being_given_up(
    database: FakeDatabase, error: DriverError | None
) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)

    async def mask_cancellation(statement: Statement) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if error:
                raise error from None

    database.on_statement = mask_cancellation
    with pytest.raises(StoreTimeoutError):
        await coalescer.submit(database.get, A)

    # The lane goes on, and still ends with its event loop.
    async def wait_for_ever(statement: Statement) -> None:
        await asyncio.Event().wait()

    database.let_go()
    assert await coalescer.submit(database.get, A) is None
    database.on_statement = wait_for_ever
    call = coalescer.submit(database.get, A)
    await settle()
    (lane,) = coalescer.coalescer._lanes.tasks
    lane.cancel()
    await settle()
    assert lane.cancelled()
    assert call.cancelled()


@on_every_loop
async def test_a_driver_that_cancels_itself_cancels_nobody_else(database: FakeDatabase) -> None:
    # As gRPC does when its channel is closed.
    coalescer = database.coalescer(max_lanes=1)

    async def cancel_first(statement: Statement) -> None:
        if len(database.statements) == 1:
            raise asyncio.CancelledError

    database.on_statement = cancel_first
    answers = await outcomes([coalescer.submit(database.get, A), coalescer.submit(database.set, A)])
    assert not isinstance(answers[0], asyncio.CancelledError)
    assert answers[1] is None


@in_virtual_time
async def test_a_lane_that_gave_up_a_statement_still_tells_a_driver_that_cancels_itself(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)

    async def hang_then_cancel(statement: Statement) -> None:
        if len(database.statements) == 1:
            await asyncio.sleep(1000)
        if len(database.statements) == 2:
            raise asyncio.CancelledError

    database.on_statement = hang_then_cancel
    stuck = coalescer.submit(database.get, A)
    await asyncio.sleep(9)
    later = coalescer.submit(database.get, B)
    with pytest.raises(StoreTimeoutError):
        await stuck
    assert await later is None


@in_virtual_time
async def test_a_driver_that_cancels_itself_while_it_connects_fails_those_who_wait(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)

    async def cancel() -> None:
        raise asyncio.CancelledError

    database.on_connect = cancel
    answers = await outcomes(submit_all(coalescer, database.get, [A, B]))
    assert all(isinstance(answer, StoreError) for answer in answers)
    assert not any(isinstance(answer, StoreTimeoutError) for answer in answers)
    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None
