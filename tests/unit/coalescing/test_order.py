"""What is called later is written later, and no two statements fight over a key."""

from __future__ import annotations

from litestar_sqlstores.coalescing import Failure
from tests.unit.coalescing.helpers import A, B, C, D, E, outcomes, submit_all
from tests.unit.fake_database import FakeDatabase
from tests.unit.loops import on_every_loop, settle


@on_every_loop
async def test_writes_reach_the_database_sorted_by_key(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.set, C)]
    statement = await database.hold_next()
    calls += submit_all(coalescer, database.set, [D, B, E, A, D])
    statement.finish()

    assert (await database.finish_next()).keys == [A, B, D, E]
    await outcomes(calls)


@on_every_loop
async def test_the_last_of_several_writes_for_a_key_in_a_statement_counts_and_all_are_answered(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, E)]
    statement = await database.hold_next()
    calls += [coalescer.submit(database.set, key, value) for key, value in ((A, 1), (B, 2), (A, 3), (A, 4), (B, 5))]
    statement.finish()

    assert (await database.finish_next()).arguments == {A: 4, B: 5}
    assert await outcomes(calls) == [None] * 6
    assert database.values == {A: 4, B: 5}


@on_every_loop
async def test_a_write_waits_for_the_write_of_its_key_that_is_under_way(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=4, max_writers=4)
    calls = [coalescer.submit(database.set, A, 1)]
    first = await database.hold_next()
    calls += [coalescer.submit(database.set, key, value) for key, value in ((A, 2), (B, 3), (A, 4), (C, 5))]

    assert (await database.finish_next()).arguments == {B: 3, C: 5}
    await settle()
    assert database.running == [first]

    first.finish()
    assert (await database.finish_next()).arguments == {A: 4}
    await outcomes(calls)
    assert database.values == {A: 4, B: 3, C: 5}


@on_every_loop
async def test_a_write_waits_for_another_kind_of_write_of_its_key(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=4, max_writers=4)
    calls = [coalescer.submit(database.set, A, 1)]
    first = await database.hold_next()
    calls.append(coalescer.submit(database.delete, A))
    await settle()
    assert database.running == [first]

    first.finish()
    await database.finish_next()
    await outcomes(calls)
    assert not database.values


@on_every_loop
async def test_a_read_does_not_wait_for_the_write_of_its_key(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    await coalescer.submit(database.set, A, "old")
    write = coalescer.submit(database.set, A, "new")
    writing = await database.hold_next()
    read = coalescer.submit(database.get, A)
    await database.finish_next()
    assert await read == "old"

    writing.finish()
    await write


@on_every_loop
async def test_what_is_called_later_is_written_later_whatever_the_kind_of_write(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, E)]
    await database.hold_next()
    calls += [
        coalescer.submit(database.delete, B),
        coalescer.submit(database.set, A, "called first"),
        coalescer.submit(database.delete, A),
    ]

    database.let_go()
    await outcomes(calls)
    assert A not in database.values


@on_every_loop
async def test_the_order_of_the_writes_for_a_key_outlives_a_split_and_a_lost_connection(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, E)]
    statement = await database.hold_next()
    calls += [coalescer.submit(database.set, A, value) for value in (1, 2)]
    statement.finish()

    database.fail_once(Failure.OTHER, Failure.NOT_SENT)
    await outcomes(calls)
    assert database.values == {A: 2}


@on_every_loop
async def test_the_order_of_the_writes_for_a_key_outlives_a_lost_connection(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.set, A, 1)]
    statement = await database.hold_next()
    calls += [coalescer.submit(database.set, A, 2), coalescer.submit(database.delete, B)]
    calls += [coalescer.submit(database.set, A, 3), coalescer.submit(database.delete, A)]
    statement.fail(Failure.NOT_SENT)
    database.let_go()

    assert await outcomes(calls) == [None] * 5
    assert not database.values
