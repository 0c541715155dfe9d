"""Calls that a read cannot answer, as there is something to write for them, go on to another operation."""

from __future__ import annotations

from typing import Any

from litestar_sqlstores.coalescing import Answers, Operation
from litestar_sqlstores.errors import StoreTimeoutError
from tests.unit.coalescing.helpers import A, B, C, keys, outcomes, stopwatch, submit_all, types
from tests.unit.fake_database import Connection, FakeDatabase
from tests.unit.loops import on_every_loop, settle


def read_or_go_on(database: FakeDatabase) -> Operation[Connection]:
    """Answers what is there; what is not goes on to ``set``, to become "new"."""

    async def run(connection: Connection, batch: dict[bytes, Any]) -> Answers:
        found = await database.get.run(connection, batch)
        return Answers(found, 0, {key: "new" for key in batch if key not in found})

    return Operation("read", run, writes=False, then=database.set)


@on_every_loop
async def test_some_calls_of_a_batch_are_answered_and_some_go_on(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    database.values = {A: "old"}
    calls = submit_all(coalescer, read_or_go_on(database), [A, B, A, C, B])
    read = await database.hold_next()
    assert read.keys == [A, B, C]
    read.finish()
    write = await database.next_statement()
    assert write.arguments == {B: "new", C: "new"}
    assert [call.done() for call in calls] == [True, False, True, False, False]
    write.finish()
    assert await outcomes(calls) == ["old", None, "old", None, None]
    assert database.values == {A: "old", B: "new", C: "new"}
    await coalescer.close()


@on_every_loop
async def test_calls_that_were_cancelled_do_not_go_on(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    calls = submit_all(coalescer, read_or_go_on(database), [A, B])
    read = await database.hold_next()
    calls[0].cancel()
    read.finish()
    assert (await database.finish_next()).keys == [B]
    assert await calls[1] is None
    await coalescer.close()


@on_every_loop
async def test_the_time_of_a_call_that_goes_on_runs_on(database: FakeDatabase) -> None:
    coalescer = database.coalescer(timeout=1)
    elapsed = stopwatch()
    call = coalescer.submit(read_or_go_on(database), A)
    (await database.hold_next()).finish()
    await database.next_statement()
    assert types(await outcomes([call])) == [StoreTimeoutError]
    assert 1 <= elapsed() < 3
    await coalescer.close()


@on_every_loop
async def test_reads_do_not_wait_for_those_that_went_on_before(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=2, max_writers=1)
    operation = read_or_go_on(database)
    late = coalescer.submit(operation, A)
    (await database.hold_next()).finish()
    write = await database.next_statement()
    database.values = dict.fromkeys(keys(20), "there")
    reads = submit_all(coalescer, operation, keys(20))
    await database.finish_next()
    assert await outcomes(reads) == ["there"] * 20
    await settle()
    assert not late.done()
    write.finish()
    await late
    await coalescer.close()
