"""Calls travel together, and each gets its own answer."""

from __future__ import annotations

import asyncio

from tests.unit.coalescing.helpers import A, B, C, D, keys, outcomes, stopwatch, submit_all
from tests.unit.fake_database import FakeDatabase, Statement
from tests.unit.loops import in_virtual_time, on_every_loop, settle


@in_virtual_time
async def test_a_lone_call_goes_out_at_once(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    elapsed = stopwatch()
    await coalescer.submit(database.set, A, 1)
    assert await coalescer.submit(database.get, A) == 1
    assert elapsed() == 0
    assert database.batches() == [[A], [A]]


@on_every_loop
async def test_calls_made_while_a_statement_is_under_way_travel_in_the_next_one(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    first = coalescer.submit(database.get, A)
    statement = await database.hold_next()

    others = [coalescer.submit(database.get, B)]
    await settle()
    others += submit_all(coalescer, database.get, [C, D])
    await settle()
    assert database.batches() == [[A]]

    statement.finish()
    await database.finish_next()
    assert database.batches() == [[A], [B, C, D]]
    await outcomes([first, *others])


@on_every_loop
async def test_each_call_gets_the_answer_for_its_own_key(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    stored = {key: b"value of " + key for key in keys(1000)[::2]}
    await outcomes([coalescer.submit(database.set, key, value) for key, value in stored.items()])
    assert database.values == stored

    wanted = keys(1000) * 2
    assert await outcomes(submit_all(coalescer, database.get, wanted)) == [stored.get(key) for key in wanted]


@on_every_loop
async def test_many_callers_in_a_row_lose_no_answer_and_get_none_twice(database: FakeDatabase) -> None:
    coalescer = database.coalescer()

    async def take_a_moment(statement: Statement) -> None:
        for _ in range(len(database.statements) % 4):
            await asyncio.sleep(0)

    async def call_many_times(key: bytes) -> None:
        for number in range(30):
            await coalescer.submit(database.set, key, (key, number))
            assert await coalescer.submit(database.get, key) == (key, number)

    database.on_statement = take_a_moment
    await asyncio.gather(*map(call_many_times, keys(40)))
    assert len(database.statements) < 40 * 30


@in_virtual_time
async def test_a_statement_has_calls_of_one_operation_only_and_the_oldest_call_goes_first(
    database: FakeDatabase,
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.get, A)]
    statement = await database.hold_next()
    for operation, key in ((database.set, B), (database.get, C), (database.set, D), (database.length, C)):
        await asyncio.sleep(0.001)
        calls.append(coalescer.submit(operation, key, b"new"))

    statement.finish()
    for _ in range(3):
        await database.finish_next()
    await outcomes(calls)
    assert [(statement.operation, statement.keys) for statement in database.statements[1:]] == [
        ("set", [B, D]),
        ("get", [C]),
        ("length", [C]),
    ]


@on_every_loop
async def test_one_caller_needs_one_connection(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    for number in range(100):
        await coalescer.submit(database.set, A, number)
        assert await coalescer.submit(database.get, A) == number
    assert database.attempts == 1


@on_every_loop
async def test_calls_of_several_kinds_travel_beside_each_other(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    database.hold()
    calls = [coalescer.submit(operation, A) for operation in (database.get, database.length, database.set)]
    await settle()
    assert [statement.operation for statement in database.running] == ["get", "length", "set"]
    database.let_go()
    assert await outcomes(calls) == [None] * 3
