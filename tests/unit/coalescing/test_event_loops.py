"""A store outlives its event loop; test_home.py has what becomes of calls from several at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.coalescing.helpers import A, B, C, D, submit_all
from tests.unit.fake_database import FakeDatabase
from tests.unit.loops import LOOPS, LoopFactory, VirtualTimeLoop, on_every_loop, run, settle


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_it_works_in_the_next_event_loop(database: FakeDatabase, new_loop: LoopFactory) -> None:
    coalescer = database.coalescer()

    async def use(number: int) -> None:
        await coalescer.submit(database.set, A, number)
        assert await coalescer.submit(database.get, A) == number

    for number in range(3):
        run(use(number), new_loop)
    assert not database.connected


@pytest.mark.parametrize("patient", [False, True])
@on_every_loop
async def test_an_event_loop_may_end_with_calls_under_way(patient: bool) -> None:
    # Not the one that has to be at rest at the end of the test.
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def call(key: bytes) -> None:
        await coalescer.submit(database.set, key)

    def make_calls(*keys: bytes) -> list[asyncio.Future[Any]]:
        # The end of the event loop cancels the tasks in it, and not the futures that nobody awaits.
        return (
            [asyncio.create_task(call(key)) for key in keys] if patient else submit_all(coalescer, database.set, keys)
        )

    calls = make_calls(A, B)
    await database.hold_next()
    calls += make_calls(A, C, D)
    await settle()
    assert not any(call.done() for call in calls)
    # What is left after this would be an unfinished task, and the test would fail.


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_an_event_loop_that_ends_makes_no_new_connection(database: FakeDatabase, new_loop: LoopFactory) -> None:
    coalescer = database.coalescer(max_lanes=1)

    async def call(key: bytes) -> None:
        await coalescer.submit(database.set, key)

    async def leave_calls_behind() -> list[asyncio.Task[None]]:
        calls = [asyncio.create_task(call(A))]
        await database.hold_next()
        calls.append(asyncio.create_task(call(B)))
        await settle()
        return calls

    async def use() -> None:
        database.let_go()
        await call(A)
        await database.assert_at_rest()

    run(leave_calls_behind(), new_loop)
    assert database.attempts == 1
    assert not database.connected
    run(use(), new_loop)


def test_an_event_loop_may_be_closed_without_ceremony(database: FakeDatabase) -> None:
    coalescer = database.coalescer()

    async def use() -> None:
        await coalescer.submit(database.get, A)

    loop = VirtualTimeLoop()
    # It complains about the lane that nobody has cancelled, and rightly so.
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(use())
    loop.close()
    run(use())


def test_an_event_loop_does_not_answer_calls_made_in_a_later_one(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=10)
    loops = [asyncio.Runner(loop_factory=VirtualTimeLoop) for _ in range(2)]

    async def use_and_rest() -> None:
        await coalescer.submit(database.get, A)
        await asyncio.sleep(1)

    async def call() -> asyncio.Future[Any]:
        await asyncio.sleep(5)
        call = coalescer.submit(database.get, A)
        await database.hold_next()
        return call

    async def end() -> None:
        database.let_go()
        await database.assert_at_rest()

    with loops[0], loops[1]:
        loops[0].run(use_and_rest())
        call_of_second = loops[1].run(call())
        loops[0].run(asyncio.sleep(100))
        assert not call_of_second.done()
        loops[1].run(end())
