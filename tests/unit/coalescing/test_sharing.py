"""Many calls are shared between statements, so that one is prepared while the database runs the other."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.coalescing.lanes import LINGER_SECONDS, MIN_SHARED
from tests.unit.coalescing.helpers import keys, outcomes, submit_all
from tests.unit.fake_database import FakeDatabase, Statement
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@pytest.mark.parametrize("kind", ["get", "set"])
@pytest.mark.parametrize("early", [0, 1, 10])
@pytest.mark.parametrize("shares", [1, 2, 3])
@in_virtual_time
async def test_many_callers_share_their_statements_evenly_however_they_began(
    database: FakeDatabase, shares: int, early: int, kind: str
) -> None:
    coalescer = database.coalescer(max_lanes=4, max_writers=3, shares=shares)

    async def take_a_moment(statement: Statement) -> None:
        # No two of them alike, so that statements end apart from each other.
        await asyncio.sleep(0.001 + len(database.statements) % 7 / 100_000)

    async def call_again_and_again(key: bytes) -> None:
        for _ in range(30):
            await coalescer.submit(getattr(database, kind), key)

    database.on_statement = take_a_moment
    callers = [asyncio.create_task(call_again_and_again(key)) for key in keys(early)]
    await asyncio.sleep(0.0005)
    callers += [asyncio.create_task(call_again_and_again(key)) for key in keys(120)[early:]]
    await asyncio.gather(*callers)

    sizes = [len(batch) for batch in database.batches()]
    # Now and then, two statements end in the same moment.
    assert sizes.count(120 // shares) > len(sizes) * 0.9


@in_virtual_time
async def test_few_calls_left_over_wait_for_the_statements_under_way_but_not_for_long(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=4, shares=2)
    calls = submit_all(coalescer, database.get, keys(80))
    stuck = [await database.hold_next(), await database.next_statement()]
    assert [len(statement.arguments) for statement in stuck] == [40, 40]

    left = submit_all(coalescer, database.get, keys(85)[80:])
    await asyncio.sleep(LINGER_SECONDS * 0.9)
    assert database.running == stuck
    await asyncio.sleep(LINGER_SECONDS * 0.2)
    assert [list(statement.arguments) for statement in database.running[2:]] == [keys(85)[80:]]

    # As many as are under way are worth a statement at once.
    more = submit_all(coalescer, database.get, keys(170)[85:])
    await settle()
    assert len(database.running) == 4
    database.let_go()
    await outcomes([*calls, *left, *more])


@on_every_loop
async def test_writes_are_not_shared_between_lanes_of_which_one_only_may_write(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=4, max_writers=1)
    await outcomes(submit_all(coalescer, database.set, keys(MIN_SHARED * 3)))
    assert len(database.statements) == 1


@in_virtual_time
async def test_even_few_calls_wait_for_the_statement_under_way_where_none_are_to_be_shared(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(max_lanes=4, shares=1)
    # There are lanes that rest, and would be there for these calls.
    calls = submit_all(coalescer, database.get, keys(3))
    await outcomes(calls)
    first = submit_all(coalescer, database.get, keys(2))
    stuck = await database.hold_next()
    late = submit_all(coalescer, database.get, keys(5)[2:])
    await asyncio.sleep(LINGER_SECONDS * 0.9)
    assert database.running == [stuck]
    await asyncio.sleep(LINGER_SECONDS * 0.2)
    assert [list(statement.arguments) for statement in database.running[1:]] == [keys(5)[2:]]
    database.let_go()
    await outcomes([*first, *late])


@in_virtual_time
async def test_calls_do_not_wait_for_long_while_lanes_have_other_work(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=2, shares=1)
    stuck = asyncio.Event()

    async def hold_the_first_read(statement: Statement) -> None:
        if b"first" in statement.arguments:
            await stuck.wait()

    database.on_statement = hold_the_first_read
    first = submit_all(coalescer, database.get, [b"first"])
    await settle()
    (late,) = submit_all(coalescer, database.get, [b"late"])
    for _ in range(4):
        # The other lane never rests for long.
        await outcomes(submit_all(coalescer, database.set, keys(1)))
        await asyncio.sleep(LINGER_SECONDS / 2)
    assert late.done()
    stuck.set()
    await outcomes(first)
