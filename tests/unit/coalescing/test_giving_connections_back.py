"""Lanes give their connections back, soon after the work ends or for a moment when it does not, and forget no call."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure, lanes
from litestar_sqlstores.coalescing.lanes import LINGER_SECONDS
from tests.unit.coalescing.helpers import A, B, keys, outcomes, stopwatch, submit_all
from tests.unit.fake_database import FakeDatabase
from tests.unit.fake_errors import fail, pause
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@in_virtual_time
async def test_a_lane_without_work_keeps_its_connection_for_a_moment_and_gives_it_back(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    for _ in range(5):
        await coalescer.submit(database.get, A)
        await asyncio.sleep(LINGER_SECONDS * 0.9)
        assert len(database.connected) == 1
    assert len(database.connections) == 1

    await asyncio.sleep(LINGER_SECONDS * 0.2)
    assert not database.connected
    await coalescer.submit(database.get, A)
    assert len(database.connections) == 2


@in_virtual_time
async def test_lanes_that_work_all_the_time_give_their_connection_back_now_and_then(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "HOLD_SECONDS", 0.1)
    coalescer = database.coalescer(max_lanes=2)

    async def call_for_a_second(key: bytes) -> None:
        for number in range(100):
            await coalescer.submit(database.set, key, number)
            assert await coalescer.submit(database.get, key) == number

    database.on_statement = pause(0.01)
    await asyncio.gather(*map(call_for_a_second, keys(20)))
    assert 10 <= len(database.connections) <= 60
    assert database.most["connections"] == 2


@on_every_loop
async def test_a_connection_that_cannot_be_given_back_is_logged_and_costs_no_answer(
    database: FakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.on_release = fail(Failure.OTHER)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.get, [A, B])) == [None, None]
    await coalescer.close()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in warnings] == ["litestar_sqlstores"] * 2
    assert all("DriverError" in record.getMessage() for record in warnings)


@in_virtual_time
async def test_a_call_made_while_the_connection_goes_back_is_not_forgotten(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.on_release = pause(1)
    await coalescer.submit(database.get, A)
    await asyncio.sleep(LINGER_SECONDS + 0.5)
    assert len(database.connected) == 1
    assert await coalescer.submit(database.get, A) is None
    assert len(database.connections) == 2


@pytest.mark.parametrize("max_lanes", [1, 2])
@pytest.mark.parametrize("steps", range(6))
@in_virtual_time
async def test_a_call_made_as_a_lane_goes_home_is_served(database: FakeDatabase, steps: int, max_lanes: int) -> None:
    coalescer = database.coalescer(max_lanes=max_lanes)
    loop = asyncio.get_running_loop()
    await coalescer.submit(database.get, A)
    await settle()
    calls: list[asyncio.Future[Any]] = []

    def call_after(steps: int) -> None:
        if steps:
            loop.call_soon(call_after, steps - 1)
        else:
            calls.append(coalescer.submit(database.get, B))

    # At the very moment: timers of one moment run in one go, and so does what they have called soon.
    loop.call_at(loop.time() + LINGER_SECONDS, call_after, steps)
    await asyncio.sleep(LINGER_SECONDS * 1.01)
    await settle()
    assert calls[0].done()


@in_virtual_time
async def test_a_call_made_just_before_a_lane_would_have_gone_home_is_served(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    loop = asyncio.get_running_loop()
    calls: list[asyncio.Future[Any]] = []
    # Scheduled first, so it runs before the lane's own timer, which is due in the same moment.
    loop.call_at(loop.time() + LINGER_SECONDS, lambda: calls.append(coalescer.submit(database.get, B)))
    await coalescer.submit(database.get, A)
    await asyncio.sleep(LINGER_SECONDS * 1.01)
    assert await outcomes(calls) == [None]


@in_virtual_time
async def test_a_pool_that_never_takes_a_connection_back_costs_no_lane(
    database: FakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.on_release = pause(1000)
    for _ in range(3):
        elapsed = stopwatch()
        assert await coalescer.submit(database.get, A) is None
        assert elapsed() < 4
        await asyncio.sleep(LINGER_SECONDS * 2)
    elapsed = stopwatch()
    await coalescer.close()
    assert elapsed() < 4
    assert "could not be given back: TimeoutError" in caplog.text
