"""Schedules that are run, and what the calls in them may leave and answer."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from litestar_sqlstores.coalescing import Failure, Home
from litestar_sqlstores.errors import (
    ClosedError,
    OverloadedError,
    StoreError,
)
from tests.unit.coalescing.schedules import BAD, TIMEOUT, VALUES, Fate, Schedule, Step
from tests.unit.fake_database import Amount, Connection, FakeDatabase, Statement
from tests.unit.fake_errors import DriverError


@dataclass(eq=False)
class Call:
    """One call, with the number of the event that it started and ended with."""

    step: Step
    serial: int
    start: float
    started_at: float
    end: float = math.inf
    ended_at: float = math.inf
    answer: Any = None
    error: BaseException | None = None

    @property
    def argument(self) -> Any:
        """No two calls have the same, and no two sums of some of them are."""
        match self.step.action:
            case "bad":
                return BAD
            case "add":
                return Amount(2**self.serial)
            case _:
                return (self.step.key, self.serial)

    def leaves(self, value: Any) -> Any:
        """What is under the key after this call, if ``value`` was there before."""
        match self.step.action:
            case "get" | "touch":
                return value
            case "delete":
                return None
            case "add":
                return (value or 0) + self.argument.amount
            case _:
                # Of "bad" nobody ever reads it: it succeeds only if it travels with a later write for its key.
                return (self.step.key, self.serial)

    def answers(self, value: Any) -> Any:
        """The right answer, if ``value`` was there before."""
        match self.step.action:
            case "get" | "touch" | "exchange":
                return value
            case "add":
                return self.leaves(value)
            case _:
                return None

    def is_certain(self) -> bool:
        return self.error is None

    def may_have_taken_effect(self) -> bool:
        if self.error is None:
            return True
        cancelled = isinstance(self.error, asyncio.CancelledError)
        unknown = isinstance(self.error, StoreError) and self.error.outcome_unknown
        return self.step.action not in {"get", "touch", "bad"} and (cancelled or unknown)


@dataclass
class Play:
    """A schedule that is run."""

    schedule: Schedule
    wait: Callable[[float], Awaitable[None]]
    database: FakeDatabase = field(default_factory=FakeDatabase)
    calls: dict[int, Call] = field(default_factory=dict)
    events: itertools.count[int] = field(default_factory=itertools.count)
    _killed: set[Connection] = field(default_factory=set)

    async def run(self) -> None:
        coalescer = self._prepare()
        callers: list[asyncio.Task[None]] = []
        closing = asyncio.create_task(asyncio.sleep(0))
        for serial, step in enumerate(self.schedule.steps):
            if step.pause:
                await self.wait(step.pause)
            if step.action == "close":
                await closing
                closing = asyncio.create_task(coalescer.close())
                await self._see_it_closed(coalescer, closing, step.patience)
                coalescer.open()
            elif future := self._call(coalescer, serial, step):
                callers.append(asyncio.create_task(self._await(future, step.patience)))
        await asyncio.gather(closing, *callers)
        # What goes on in the server may still take effect.
        await self.wait(TIMEOUT)
        await self.database.assert_at_rest()

    def _prepare(self) -> Home[Connection]:
        schedule, database = self.schedule, self.database
        self._statements, self._connections = iter(schedule.statements), iter(schedule.connections)
        database.on_statement = self._on_statement
        database.on_connect = self._on_connect
        database.on_release = lambda _: self.wait(schedule.seconds_to_give_back)
        database.on_discard = lambda _: self.wait(schedule.seconds_to_discard)
        database.on_kill = self._on_kill
        return database.coalescer(
            max_lanes=schedule.max_lanes,
            max_writers=min(schedule.max_lanes, schedule.max_writers),
            shares=schedule.shares,
            max_pending=schedule.max_pending,
            timeout=TIMEOUT,
        )

    async def _see_it_closed(
        self, coalescer: Home[Connection], closing: asyncio.Task[None], patience: float | None
    ) -> None:
        await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            _ = coalescer.submit(self.database.get, VALUES[0])
        await (closing if patience is None else self.wait(patience))

    def _call(self, coalescer: Home[Connection], serial: int, step: Step) -> asyncio.Future[Any] | None:
        operation = getattr(self.database, "set" if step.action == "bad" else step.action)
        loop = asyncio.get_running_loop()
        call = self.calls[serial] = Call(step, serial, next(self.events), loop.time())
        try:
            future = coalescer.submit(operation, step.key, call.argument)
        except OverloadedError as error:
            call.end, call.ended_at, call.error = next(self.events), loop.time(), error
            return None
        future.add_done_callback(functools.partial(self._ended, call))
        return future

    async def _await(self, future: asyncio.Future[Any], patience: float | None) -> None:
        if patience is not None:
            await self.wait(patience)
            future.cancel()
        await asyncio.wait([future])

    def _ended(self, call: Call, future: asyncio.Future[Any]) -> None:
        assert call.end == math.inf, "answered twice"
        call.end, call.ended_at = next(self.events), asyncio.get_running_loop().time()
        call.error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if call.error is None:
            call.answer = future.result()

    async def _on_connect(self) -> None:
        fate = next(self._connections, Fate())
        await self.wait(fate.seconds)
        if fate.failure:
            raise DriverError(fate.failure)

    async def _on_statement(self, statement: Statement) -> None:
        fate = next(self._statements, Fate())
        refused = BAD in statement.arguments.values()
        lost = fate.failure is Failure.DISCONNECTED
        works = fate.failure is None or (lost and fate.takes_effect == "and fails")
        if works and not refused and fate.takes_effect not in {"at its end", "later"}:
            statement.take_effect()
        goes_on = fate.takes_effect == "later" and not refused and (lost or works)
        try:
            await self.wait(fate.seconds)
        except asyncio.CancelledError:
            if goes_on:
                self._go_on(statement)
            raise
        if fate.failure:
            if goes_on:
                self._go_on(statement)
            raise DriverError(fate.failure)
        if refused:
            raise DriverError(Failure.BAD_VALUE)

    def _go_on(self, statement: Statement) -> None:
        """In the server, where nobody sees it: it waits for a lock, say, and takes effect if nobody kills it before."""

        def take_effect() -> None:
            if statement.connection not in self._killed:
                statement.take_effect()

        # Later than any kill takes, and than what comes in meanwhile.
        asyncio.get_running_loop().call_later(TIMEOUT * 0.9, take_effect)

    async def _on_kill(self, connection: Connection) -> None:
        await self.wait(self.schedule.seconds_to_kill)
        self._killed.add(connection)
