"""A database that does what a test tells it to, for the coalescer to work on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar_sqlstores.coalescing import Connector, Failure, Home, Kill, Limits, Operation, Together
from litestar_sqlstores.observability import Observer
from tests.unit.fake_errors import DriverError, classify, describe, fail
from tests.unit.footprint import footprint


@dataclass(frozen=True)
class Amount:
    """What ``add`` adds."""

    amount: int

    def __add__(self, later: Amount) -> Amount:
        return Amount(self.amount + later.amount)


class Connection:
    def __init__(self, number: int) -> None:
        self.number = number
        self.discarded = False


class Statement:
    """A statement that has reached the database."""

    def __init__(
        self, database: FakeDatabase, operation: str, connection: Connection, arguments: dict[bytes, Any]
    ) -> None:
        self.database = database
        self.operation = operation
        self.connection = connection
        self.arguments = arguments
        self.answers: dict[bytes, Any] | None = None
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def writes(self) -> bool:
        return self.operation not in {"get", "length"}

    @property
    def keys(self) -> list[bytes]:
        return list(self.arguments)

    def take_effect(self) -> dict[bytes, Any]:
        """Read and write, once."""
        values = self.database.values
        if self.answers is None:
            self.answers = {}
            if self.writes and self.operation != "touch":
                self.database.effects += self.arguments.items()
            for key, argument in self.arguments.items():
                if self.operation in {"get", "touch", "exchange"} and key in values:
                    self.answers[key] = values[key]
                if self.operation == "length" and key in values:
                    self.answers[key] = len(values[key])
                if self.operation in {"set", "exchange"}:
                    values[key] = argument
                if self.operation == "add":
                    values[key] = self.answers[key] = values.get(key, 0) + argument.amount
                if self.operation == "delete":
                    values.pop(key, None)
        return self.answers

    def finish(self) -> None:
        """End a held statement."""
        if not self._end.done():
            self._end.set_result(None)

    def fail(self, failure: Failure) -> None:
        """End a held statement with an error, without any effect."""
        self._end.set_exception(DriverError(failure))

    async def wait_for_end(self) -> None:
        await self._end


class FakeDatabase:
    """A value a key, reached through connections.

    It has the operations ``get`` and ``length``, ``touch`` (a get that locks, as one that renews does), ``set`` and
    ``delete``, ``add`` (to a number, and answer with the sum), ``exchange`` (a value, and answer with the one before).

    Attributes:
        values: What it holds.
        effects: What has been written, key and argument, in order.
        statements: Every statement so far, in the order they arrived.
        on_statement: Awaited before a statement takes effect; may wait and raise.
        on_connect: Awaited before a connection is made; may wait and raise.
        on_release: Awaited when a connection is given back.
        on_discard: Awaited when a connection is discarded.
        on_kill: Awaited to end what a discarded connection may have under way; may wait and raise. None if that is
            never needed.
        kills: The connections for which that was tried, in order.
        attempts: How many connections were asked for.
        connections: Every connection made.
        connected: Those that are in use now.
        most: The most connections in use, statements running and writes running at a time.
        violations: What the coalescer did that no database should have to bear.
        coalescers: Every coalescer made for it.
        closed: The event loops in which its connector was closed.
        left: The event loops that were left, and whether that was their end.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, Any] = {}
        self.effects: list[tuple[bytes, Any]] = []
        self.statements: list[Statement] = []
        self.running: list[Statement] = []
        self.on_statement: Callable[[Statement], Awaitable[None]] = _nothing
        self.on_connect: Callable[[], Awaitable[None]] = _nothing
        self.on_release: Callable[[Connection], Awaitable[None]] = _nothing
        self.on_discard: Callable[[Connection], Awaitable[None]] = _nothing
        self.on_kill: Callable[[Connection], Awaitable[None]] | None = None
        self.kills: list[Connection] = []
        self.attempts = 0
        self.connections: list[Connection] = []
        self.connected: set[Connection] = set()
        self.most: Counter[str] = Counter()
        self.violations: list[str] = []
        self.coalescers: list[Home[Connection]] = []
        self.closed: list[asyncio.AbstractEventLoop] = []
        self.left: list[tuple[asyncio.AbstractEventLoop, bool]] = []
        self._held: asyncio.Queue[Statement] = asyncio.Queue()
        self.get = self._operation("get", writes=False, repeatable=True)
        self.length = self._operation("length", writes=False, repeatable=True)
        self.touch = self._operation("touch", repeatable=True)
        self.set = self._operation("set")
        self.delete = self._operation("delete")
        self.add = self._operation("add", together=Together.SUM)
        self.exchange = self._operation("exchange", together=Together.APART)
        self.connector: Connector[Connection] = Connector(
            self._connect, self._discard, classify, describe, self._close, self._leave
        )

    def coalescer(self, observer: Observer | None = None, **limits: Any) -> Home[Connection]:
        self.coalescers.append(Home(self.connector, Limits(**limits), observer))
        return self.coalescers[-1]

    # -- what tests do

    def hold(self) -> None:
        """From now on each statement waits until the test ends it."""

        async def wait(statement: Statement) -> None:
            self._held.put_nowait(statement)
            await statement.wait_for_end()

        self.on_statement = wait

    def let_go(self) -> None:
        """End all that are held; from now on statements run at once again."""
        self.on_statement = _nothing
        self._held = asyncio.Queue()
        for statement in self.running:
            statement.finish()

    async def next_statement(self) -> Statement:
        """The next statement that is held."""
        return await asyncio.wait_for(self._held.get(), 5)

    async def hold_next(self) -> Statement:
        """The next statement; it is held, and so are all after it."""
        self.hold()
        return await self.next_statement()

    async def finish_next(self) -> Statement:
        """End the next statement that is held."""
        statement = await self.next_statement()
        statement.finish()
        return statement

    def fail_once(self, *failures: Failure) -> None:
        """The next statements fail, each in one of these ways; those after them succeed."""
        remaining = list(failures)

        async def fail_next(statement: Statement) -> None:
            if remaining:
                raise DriverError(remaining.pop(0))

        self.on_statement = fail_next

    def always_fail(self, failure: Failure) -> None:
        self.on_statement = fail(failure)

    def refuse_keys(self, *bad: bytes) -> None:
        """Statements fail that hold one of these keys."""
        self._refuse(lambda arguments: not arguments.keys().isdisjoint(bad))

    def refuse_arguments(self, is_bad: Callable[[Any], bool]) -> None:
        """Statements fail that hold such an argument."""
        self._refuse(lambda arguments: any(map(is_bad, arguments.values())))

    def _refuse(self, is_bad: Callable[[dict[bytes, Any]], bool]) -> None:
        async def check(statement: Statement) -> None:
            if is_bad(statement.arguments):
                raise DriverError(Failure.BAD_VALUE)

        self.on_statement = check

    def refuse_connections(self) -> None:
        self.on_connect = fail(Failure.DISCONNECTED)

    def accept_connections(self) -> None:
        self.on_connect = _nothing

    def batches(self) -> list[list[bytes]]:
        """The keys of every statement so far."""
        return [statement.keys for statement in self.statements]

    def discarded(self) -> list[bool]:
        """Of every connection so far, whether it was discarded."""
        return [connection.discarded for connection in self.connections]

    async def assert_at_rest(self) -> None:
        """Close the coalescers, and check that nothing is left of what they did."""
        for coalescer in self.coalescers:
            await coalescer.close()
        assert not self.violations
        assert not self.connected
        assert not self.running
        for coalescer in self.coalescers:
            fresh = Home(coalescer._connector, coalescer._limits)
            assert footprint(coalescer) == footprint(fresh)

    # -- what the coalescer does

    def _operation(
        self, name: str, *, writes: bool = True, together: Together = Together.LAST, repeatable: bool = False
    ) -> Operation[Connection]:
        async def run(connection: Connection, arguments: dict[bytes, Any]) -> Mapping[bytes, Any]:
            self._demand(connection in self.connected, "a statement on a connection that was given back")
            self._demand(not connection.discarded, "a statement on a connection that was discarded")
            self._demand(
                all(other.connection is not connection for other in self.running), "two statements on a connection"
            )
            self._demand(bool(arguments), "a statement about nothing")
            statement = Statement(self, name, connection, arguments)
            if writes:
                self._demand(list(arguments) == sorted(arguments), "keys of a write that are not sorted")
                locked = {key for other in self.running if other.writes for key in other.keys}
                self._demand(locked.isdisjoint(arguments), "two statements that write the same key")
            self.statements.append(statement)
            self.running.append(statement)
            self._count("statements", len(self.running))
            self._count("writes", sum(other.writes for other in self.running))
            try:
                await self.on_statement(statement)
                return statement.take_effect()
            finally:
                self.running.remove(statement)

        return Operation(name, run, writes, together, repeatable)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Connection]:
        self.attempts += 1
        await self.on_connect()
        connection = Connection(len(self.connections))
        self.connections.append(connection)
        self.connected.add(connection)
        self._count("connections", len(self.connected))
        try:
            yield connection
        finally:
            try:
                await self.on_release(connection)
            finally:
                self.connected.remove(connection)

    async def _discard(self, connection: Connection) -> Kill | None:
        self._demand(connection in self.connected, "a connection discarded after it was given back")
        connection.discarded = True
        await self.on_discard(connection)
        return None if self.on_kill is None else partial(self._kill, self.on_kill, connection)

    async def _kill(self, on_kill: Callable[[Connection], Awaitable[None]], connection: Connection) -> None:
        self.kills.append(connection)
        await on_kill(connection)

    async def _close(self) -> None:
        self.closed.append(asyncio.get_running_loop())

    async def _leave(self, loop_ends: bool) -> None:
        self.left.append((asyncio.get_running_loop(), loop_ends))

    def _demand(self, kept: bool, otherwise: str) -> None:
        # Not by an exception alone: the coalescer would take that for a driver's error.
        if not kept:
            self.violations.append(otherwise)
            raise AssertionError(otherwise)

    def _count(self, name: str, now: int) -> None:
        self.most[name] = max(self.most[name], now)


async def _nothing(*_: object) -> None:
    """As if nobody had asked."""
