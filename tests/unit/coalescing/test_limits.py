"""There are no more calls, lanes and writers than allowed, and no larger statements."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from litestar_sqlstores.coalescing import lanes, queue
from litestar_sqlstores.errors import OverloadedError
from tests.unit.coalescing.helpers import A, B, keys, outcomes, submit_all
from tests.unit.fake_database import FakeDatabase, Statement
from tests.unit.loops import on_every_loop, settle


@on_every_loop
async def test_calls_beyond_max_pending_are_refused_until_others_are_through(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1, max_pending=1234)
    calls = [coalescer.submit(database.get, A)]
    await database.hold_next()
    calls += submit_all(coalescer, database.get, keys(1234))
    with pytest.raises(OverloadedError, match=r"1,234 calls wait.*max_pending"):
        _ = coalescer.submit(database.get, B)

    database.let_go()
    await outcomes(calls)
    assert await coalescer.submit(database.get, B) is None


@on_every_loop
async def test_a_statement_has_no_more_than_max_batch_items(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_BATCH_ITEMS", 5)
    coalescer = database.coalescer(max_lanes=1)
    wanted = keys(23)
    await outcomes(submit_all(coalescer, database.get, wanted))
    assert database.batches() == [wanted[start : start + 5] for start in range(0, 23, 5)]


@on_every_loop
async def test_a_statement_has_no_more_than_max_batch_bytes_unless_a_call_alone_has(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_BATCH_BYTES", 100)
    coalescer = database.coalescer(max_lanes=1)
    sizes = [60, 40, 1, 500, 99, 1, 0, 101, 101]
    await outcomes(
        coalescer.submit(database.set, key, size, size) for key, size in zip(keys(len(sizes)), sizes, strict=True)
    )
    assert [list(statement.arguments.values()) for statement in database.statements] == [
        [60, 40],
        [1],
        [500],
        [99, 1, 0],
        [101],
        [101],
    ]


@pytest.mark.parametrize("max_lanes, max_writers", [(1, 1), (2, 1), (4, 2), (3, 3)])
@on_every_loop
async def test_there_are_never_more_lanes_and_writers_than_allowed(
    database: FakeDatabase, max_lanes: int, max_writers: int
) -> None:
    coalescer = database.coalescer(max_lanes=max_lanes, max_writers=max_writers)

    async def take_a_moment(statement: Statement) -> None:
        for _ in range(len(database.statements) % 5):
            await asyncio.sleep(0)

    database.on_statement = take_a_moment
    calls: list[asyncio.Future[Any]] = []
    for _ in range(20):
        for operation in (database.set, database.get, database.length):
            calls += submit_all(coalescer, operation, keys(50))
        await asyncio.sleep(0)
    await outcomes(calls)
    assert database.most["connections"] == database.most["statements"] == max_lanes
    assert 1 <= database.most["writes"] <= max_writers


@on_every_loop
async def test_reads_pass_writes_that_are_stuck(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=4, max_writers=2)
    database.hold()
    writes = []
    for key in keys(8):
        writes.append(coalescer.submit(database.set, key))
        await settle()
    assert [statement.operation for statement in database.running] == ["set", "set"]

    for _ in range(3):
        read = coalescer.submit(database.get, A)
        await settle()
        assert database.running[-1].operation == "get"
        database.running[-1].finish()
        assert await read is None

    database.let_go()
    await outcomes(writes)
