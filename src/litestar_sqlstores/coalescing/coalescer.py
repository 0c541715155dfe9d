"""Where calls of one event loop come in, and their time runs out; the package's documentation has the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from litestar_sqlstores.coalescing.calls import Call
from litestar_sqlstores.coalescing.clock import Clock, Timer
from litestar_sqlstores.coalescing.kills import Kills
from litestar_sqlstores.coalescing.lanes import Lanes
from litestar_sqlstores.coalescing.limits import Limits
from litestar_sqlstores.coalescing.operations import Connector, Operation
from litestar_sqlstores.coalescing.shared import Shared
from litestar_sqlstores.coalescing.statements import Statements
from litestar_sqlstores.errors import ClosedError, OverloadedError, StoreError, StoreTimeoutError
from litestar_sqlstores.observability import Observer

__all__ = ("CLOSED", "NOT_MADE", "Coalescer", "Submit")

ConnectionT = TypeVar("ConnectionT")

KILLS_SECONDS = 1.0
"""How long closing waits for the end of statements that were given up."""
NOT_MADE = "the event loop has ended before the call was made"
"""With this, calls are cancelled that have certainly not run."""
CLOSED = "the store is closed; enter it again (async with store) before using it"


class Submit(Protocol):
    """What :meth:`Coalescer.submit` is."""

    def __call__(
        self, operation: Operation[Any], key: bytes, argument: Any = None, size: int = 0, /
    ) -> asyncio.Future[Any]:
        """Have ``operation`` run for ``key``; a future of the answer."""
        ...


class Coalescer(Generic[ConnectionT]):
    """Turns single calls into statements for many keys; see the package's documentation.

    Args:
        connector: How to reach the database.
        limits: What to use at most.
        observer: Who is told of each statement.
        loop: The event loop that it is used in, and no other one.
        elsewhere: Takes the calls that are made in another event loop.
    """

    def __init__(
        self,
        connector: Connector[ConnectionT],
        limits: Limits,
        observer: Observer | None,
        loop: asyncio.AbstractEventLoop,
        elsewhere: Submit,
    ) -> None:
        self.loop = loop
        self.closed = False
        self._elsewhere = elsewhere
        self._connector = connector
        self._observer = observer
        # Asked for at each call.
        self._max_pending = limits.max_pending
        self._timeout = limits.timeout
        self._clock = clock = Clock(loop)
        self._now = clock.now
        shared = Shared(connector, limits, observer, clock)
        self._queues = shared.queues
        self._health = shared.health
        self._kills = Kills(shared.writing, limits.timeout, clock)
        self._statements = Statements(shared, self._kills)
        self._lanes = Lanes(shared, self._statements)
        self._kills.on_free = self._lanes.work_again
        self._make_room_after = 0.0
        self._watchdog: Timer | None = None

    def submit(
        self, operation: Operation[ConnectionT], key: bytes, argument: Any = None, size: int = 0
    ) -> asyncio.Future[Any]:
        """Have ``operation`` run for ``key``, whichever event loop this is called in.

        Args:
            operation: The kind of statement.
            key: What the statement is about; calls for one key act in the order they were made.
            argument: What the operation needs beside the key.
            size: Bytes that the argument takes in a statement.

        Returns:
            A future of the answer, in the running event loop.

        Raises:
            OverloadedError: ``max_pending`` calls wait already.
            ClosedError: The coalescer was closed.
        """
        if asyncio.get_running_loop() is not self.loop:
            return self._elsewhere(operation, key, argument, size)
        if self.closed:
            raise ClosedError(CLOSED)
        now = self._now()
        if self._queues.waiting >= self._max_pending and not self._make_room(now):
            msg = (
                f"{self._queues.waiting:,} calls wait for the database already; it is slower than its callers."
                " Raise max_pending to let more wait"
            )
            if self._observer is not None:
                self._observer.failure(OverloadedError.__name__, 1)
            raise OverloadedError(msg)
        call = Call(loop=self.loop)
        call.key = key
        call.argument = argument
        call.size = size
        call.deadline = now + self._timeout
        self._queues.add(operation, call)
        if self._watchdog is None:
            self._watch(self._timeout)
        self._lanes.called(operation)
        return call

    def _make_room(self, now: float) -> bool:
        """Drop the calls that were cancelled while they waited; returns whether there is room for another one."""
        # Not for each refusal: whoever is overloaded has no time to search a long queue in vain.
        if now >= self._make_room_after:
            self._make_room_after = now + 0.01
            self._queues.drop_cancelled()
        return self._queues.waiting < self._max_pending

    def open(self) -> None:
        """Accept calls (again)."""
        self.closed = False
        self._lanes.open()

    def drop(self) -> None:
        """Cancel the calls that wait: the event loop is coming to its end."""
        self.closed = True
        for call in self._queues.take_all():
            call.cancel(NOT_MADE)

    async def close(self) -> None:
        """Refuse new calls, answer those that wait, and give all connections back."""
        self.closed = True
        if not await self._lanes.finish(self._timeout):
            # It was opened again meanwhile.
            return
        # Whatever was called before is answered or overdue now.
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._expire_overdue()
        await self._lanes.end()
        await self._kills.close(KILLS_SECONDS)
        self._health.answered()
        self._fail_waiting(lambda: ClosedError("the store was closed before the call could be made"))
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _expire_overdue(self) -> None:
        """Fail the calls whose time is up, and give up on statements that nobody waits for any more."""
        now = self._now()
        for call in self._queues.take_overdue(now):
            self._time_out(call, queued=True)
        pending = self._queues.deadlines()
        for call, sent in self._statements.overdue(now):
            self._time_out(call, outcome_unknown=sent)
        pending += self._statements.give_up(now)
        self._watchdog = None
        if pending:
            self._watch(min(pending) - now)

    def _watch(self, seconds: float) -> None:
        self._watchdog = self._clock.call_later(seconds, self._expire_overdue)

    def _time_out(self, call: Call, *, queued: bool = False, outcome_unknown: bool = False) -> None:
        trouble = self._health.trouble
        if queued and trouble is not None:
            self._statements.fail([call], lambda: self._connector.describe(trouble))
            return
        text = f"no answer from the database in {self._timeout:g} seconds (timeout)"
        if not self._lanes.connected:
            text = (
                f"no connection to the database in {self._timeout:g} seconds (timeout); if its pool is used up, enlarge"
                " it, or call the store where no connection is held"
            )
        self._statements.fail([call], lambda: StoreTimeoutError(text), outcome_unknown=outcome_unknown)

    def _fail_waiting(self, error: Callable[[], StoreError]) -> None:
        self._statements.fail(self._queues.take_all(), error)
