"""Lanes that take calls from the queues and run them as statements; the package's documentation has the rules."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar, cast

from litestar_sqlstores.coalescing.calls import Batch, Call
from litestar_sqlstores.coalescing.operations import Connector, Operation
from litestar_sqlstores.coalescing.queues import MAX_BATCH_ITEMS, Queues
from litestar_sqlstores.coalescing.statements import Statements
from litestar_sqlstores.errors import ClosedError, ConfigurationError, OverloadedError, StoreError, StoreTimeoutError
from litestar_sqlstores.observability import Observer

__all__ = ("CLOSED", "Coalescer")

logger = logging.getLogger("litestar_sqlstores")

ConnectionT = TypeVar("ConnectionT")

CLOSED = "the store is closed; enter it again (async with store) before using it"
MIN_SPLIT_ITEMS = 64
"""From this many waiting calls on, two lanes share them: one prepares a statement while the database runs the other."""
LINGER_SECONDS = 0.05
"""How long a lane without work keeps its connection."""
HOLD_SECONDS = 0.5
"""How long a lane with work keeps its connection before others in the application get a chance to have it."""
PAUSE_SECONDS = 0.001
"""How long a lane that has given its connection back waits before it takes one again."""
RECONNECT_SECONDS = 1.0
"""How long no further lane is tried after one got no connection while others have theirs."""


class Coalescer(Generic[ConnectionT]):
    """Turns single calls into statements for many keys; see the module's documentation.

    Args:
        connector: How to reach the database.
        max_lanes: How many connections to use at most.
        max_writers: How many of them may write at a time; reads then always find a free one.
        max_pending: How many calls may wait; one more is refused.
        timeout: Seconds until a call without an answer fails.
        observer: Who is told of each statement.
    """

    def __init__(
        self,
        connector: Connector[ConnectionT],
        *,
        max_lanes: int = 4,
        max_writers: int = 2,
        max_pending: int = 10_000,
        timeout: float = 10.0,
        observer: Observer | None = None,
    ) -> None:
        self._connector = connector
        self._observer = observer
        self._max_lanes = max_lanes
        self._max_writers = max_writers
        self._max_pending = max_pending
        self._timeout = timeout
        self._closed = False
        # Timers and callbacks outlive the request that happens to cause them, and must not keep it alive.
        self._context = contextvars.Context()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget()

    def _forget(self) -> None:
        """Start from nothing, as after the end of the event loop that everything belonged to."""
        self._queues: Queues[ConnectionT] = Queues()
        self._statements = Statements(self._connector, self._queues, self._observer, self._timeout)
        self._lanes: set[asyncio.Task[None]] = set()
        self._connecting = False
        self._connect_after = self._make_room_after = 0.0
        self._connected = 0
        self._idle: list[asyncio.Future[bool]] = []
        # A lane is about to look into the queues: no need to wake another one for a new call.
        self._taking = False
        self._watchdog: asyncio.TimerHandle | None = None

    # -- what callers use

    def submit(
        self, operation: Operation[ConnectionT], key: bytes, argument: Any = None, size: int = 0
    ) -> asyncio.Future[Any]:
        """Have ``operation`` run for ``key``.

        Args:
            operation: The kind of statement.
            key: What the statement is about; calls for one key act in the order they were made.
            argument: What the operation needs beside the key.
            size: Bytes that the argument takes in a statement.

        Returns:
            A future of the answer.

        Raises:
            OverloadedError: ``max_pending`` calls wait already.
            ClosedError: The coalescer was closed.
            ConfigurationError: Called from another event loop than the one that uses it.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        if self._closed:
            raise ClosedError(CLOSED)
        if self._queues.waiting >= self._max_pending and not self._make_room(loop.time()):
            msg = (
                f"{self._queues.waiting:,} calls wait for the database already; it is slower than its callers."
                " Raise max_pending to let more wait"
            )
            if self._observer is not None:
                self._observer.failure(OverloadedError.__name__, 1)
            raise OverloadedError(msg)
        call = Call(loop=loop)
        call.key = key
        call.argument = argument
        call.size = size
        call.deadline = loop.time() + self._timeout
        call.retried = False
        self._queues.add(operation, call)
        if self._watchdog is None:
            self._watch(call.deadline, loop)
        if not self._taking:
            self._wake_lane()
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
        self._closed = False

    async def close(self) -> None:
        """Refuse new calls, answer those that wait, and give all connections back."""
        self._closed = True
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            return
        for waiter in list(self._idle):
            self._send_home(waiter)
        until = loop.time() + self._timeout
        # A lane may end before the last call that waits is made; another one takes its place.
        while self._closed and self._lanes and loop.time() < until:
            await asyncio.wait(self._lanes, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        if not self._closed:
            # It was opened again meanwhile.
            return
        if late := set(self._lanes):
            for lane in late:
                lane.cancel()
            await asyncio.wait(late)
        self._fail_waiting(lambda: ClosedError("the store was closed before the call could be made"))
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    # -- lanes

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and self._lanes and not self._loop.is_closed():
            msg = "the store is in use in another event loop; make a store for each event loop"
            raise ConfigurationError(msg)
        self._forget()
        self._loop = loop

    def _wake_lane(self) -> None:
        while self._idle:
            # The one that rested last has the warmest connection.
            waiter = self._idle.pop()
            if not waiter.done():
                waiter.set_result(True)
                self._taking = True
                return
        if not self._connecting and len(self._lanes) < self._max_lanes and self._may_connect():
            self._connecting = True
            # A context of its own: a lane outlives the request that happened to start it.
            lane = asyncio.create_task(self._run_lane(), context=contextvars.Context())
            self._lanes.add(lane)
            lane.add_done_callback(self._lane_ended, context=self._context)

    def _may_connect(self) -> bool:
        return not self._connected or asyncio.get_running_loop().time() >= self._connect_after

    async def _run_lane(self) -> None:
        while True:
            async with AsyncExitStack() as stack:
                try:
                    connection = await stack.enter_async_context(self._connector.connect())
                except Exception as error:  # noqa: BLE001 - callers get it, whatever it is
                    self._connect_failed(error)
                    return
                except asyncio.CancelledError:
                    if cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                        raise
                    # The driver's own doing, as in Statements.
                    self._connect_failed(ConnectionError("the driver cancelled the connection"))
                    return
                finally:
                    self._connecting = False
                self._connected += 1
                stack.callback(self._disconnected)
                if not await self._serve(connection):
                    return
            # Some pools hand a connection to whoever asks first, and not to those who wait for it.
            await asyncio.sleep(PAUSE_SECONDS)
            self._connecting = True

    def _disconnected(self) -> None:
        self._connected -= 1

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        self._taking = False
        if lane.cancelled():
            # By close(), or because the event loop is coming to its end: no time to start anything.
            return
        if (error := lane.exception()) is not None:
            # Nothing of a statement gets here: giving the connection back has failed.
            logger.warning("a lane ended: %s", type(error).__name__, exc_info=error)
        # While the coalescer closes, the lanes that are left see to what waits, some of which may wait for them.
        if self._queues.waiting and not (self._closed and self._lanes):
            self._wake_lane()

    def _connect_failed(self, error: Exception) -> None:
        if self._connected:
            # The pool may just be used up. The lanes that have a connection serve all calls meanwhile.
            self._connect_after = asyncio.get_running_loop().time() + RECONNECT_SECONDS
            logger.debug("no connection for another lane: %s", type(error).__name__)
            return
        self._fail_waiting(lambda: self._connector.describe(error))

    async def _serve(self, connection: ConnectionT) -> bool:
        """Run batches on a connection; returns whether to go on with another one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + HOLD_SECONDS
        while loop.time() < until:
            batch = self._take()
            if batch is None:
                if not await self._rest(loop):
                    return False
            elif not await self._statements.run(batch, connection):
                return True
            else:
                # Those who were answered may call again before this lane looks for more.
                self._taking = True
                await asyncio.sleep(0)
        self._taking = False
        if self._queues.waiting:
            self._wake_lane()
        return True

    async def _rest(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait for work; returns whether there is some."""
        if self._closed:
            return False
        waiter: asyncio.Future[bool] = loop.create_future()
        self._idle.append(waiter)
        bedtime = loop.call_later(LINGER_SECONDS, self._send_home, waiter, context=self._context)
        try:
            # What came in while the lane was on its way out is still its work.
            return await waiter or self._queues.waiting > 0
        finally:
            bedtime.cancel()
            if waiter in self._idle:
                self._idle.remove(waiter)

    def _send_home(self, waiter: asyncio.Future[bool]) -> None:
        # Unless it was woken in this very moment.
        if waiter in self._idle:
            self._idle.remove(waiter)
            if not waiter.done():
                waiter.set_result(False)

    # -- batches

    def _take(self) -> Batch[ConnectionT] | None:
        self._taking = False
        for operation in self._queues.operations():
            if operation.writes and self._statements.writers >= self._max_writers:
                continue
            if calls := self._queues.take(operation, self._limit(operation), self._statements.writing):
                if self._queues.waiting:
                    self._wake_lane()
                return Batch(operation, calls, cast("asyncio.Task[None]", asyncio.current_task()))
        return None

    def _limit(self, operation: Operation[ConnectionT]) -> int:
        """How many calls a lane takes at most."""
        waiting = self._queues.length(operation)
        if waiting >= MIN_SPLIT_ITEMS and self._has_room_beside(operation):
            return min(MAX_BATCH_ITEMS, (waiting + 1) // 2)
        return MAX_BATCH_ITEMS

    def _has_room_beside(self, operation: Operation[ConnectionT]) -> bool:
        """Whether another lane could run the same operation beside the one that is about to."""
        if operation.writes and self._statements.writers + 1 >= self._max_writers:
            return False
        return bool(self._idle) or len(self._lanes) < self._max_lanes

    # -- ends

    def _expire_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail the calls whose time is up, and give up on statements that nobody waits for any more."""
        if loop is not self._loop:
            return
        now = loop.time()
        for call in self._queues.take_overdue(now):
            self._time_out(call)
        pending = self._queues.deadlines()
        for call in self._statements.overdue(now):
            self._time_out(call)
        pending += self._statements.give_up(now)
        self._watchdog = None
        if pending:
            self._watch(min(pending), loop)

    def _watch(self, deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        self._watchdog = loop.call_at(deadline, self._expire_overdue, loop, context=self._context)

    def _time_out(self, call: Call) -> None:
        text = f"no answer from the database in {self._timeout:g} seconds (timeout)"
        if not self._connected:
            text = (
                f"no connection to the database in {self._timeout:g} seconds (timeout); if its pool is used up, enlarge"
                " it, or call the store where no connection is held"
            )
        self._statements.fail([call], lambda: StoreTimeoutError(text))

    def _fail_waiting(self, error: Callable[[], StoreError]) -> None:
        self._statements.fail(self._queues.take_all(), error)
