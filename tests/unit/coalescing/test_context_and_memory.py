"""Nothing of a caller reaches the database or is kept alive, and nothing grows with use."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from typing import Any

from litestar_sqlstores.coalescing import Failure
from tests.unit.coalescing.helpers import A, B, keys, outcomes, submit_all
from tests.unit.fake_database import FakeDatabase, Statement
from tests.unit.fake_errors import DriverError
from tests.unit.footprint import footprint
from tests.unit.loops import in_virtual_time, on_every_loop

request: contextvars.ContextVar[Any] = contextvars.ContextVar("request", default=None)


@on_every_loop
async def test_statements_do_not_see_the_context_of_a_caller(database: FakeDatabase) -> None:
    coalescer = database.coalescer()
    seen: list[Any] = []

    async def look(*_: object) -> None:
        seen.append(request.get())

    database.on_statement = look
    database.on_release = look
    request.set("of the caller")
    await coalescer.submit(database.get, A)
    await coalescer.close()
    assert seen == [None, None]


@in_virtual_time
async def test_nothing_of_a_caller_is_kept_alive_after_its_answer(database: FakeDatabase) -> None:
    class Request:
        pass

    coalescer = database.coalescer()
    seen: list[weakref.ref[Request]] = []

    async def handle_request() -> None:
        held = Request()
        request.set(held)
        seen.append(weakref.ref(held))
        await coalescer.submit(database.get, A)

    await asyncio.create_task(handle_request(), context=contextvars.Context())
    for _ in range(3):
        await coalescer.submit(database.get, B)
    gc.collect()
    assert seen[0]() is None


@in_virtual_time
async def test_nothing_grows_with_use(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_pending=50)
    fresh = footprint(coalescer)
    failures = {2: Failure.OTHER, 3: Failure.DISCONNECTED, 4: Failure.CONFLICT}

    async def stumble(statement: Statement) -> None:
        await asyncio.sleep(0.001)
        if failure := failures.get(len(database.statements) % 7):
            raise DriverError(failure)

    database.on_statement = stumble
    for round_number in range(30):
        calls: list[asyncio.Future[Any]] = []
        for operation in (database.get, database.set, database.delete):
            calls += submit_all(coalescer, operation, keys(10 + round_number % 5))
        for call in calls[round_number % 3 :: 4]:
            call.cancel()
        await outcomes(calls)
    await asyncio.sleep(1)
    assert footprint(coalescer) == fresh
    assert not database.connected
