"""Lanes: tasks that take calls from the queues and run them as statements, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from contextlib import AsyncExitStack
from typing import Generic, TypeVar, cast

from litestar_sqlstores.coalescing.calls import Batch
from litestar_sqlstores.coalescing.limits import Limits
from litestar_sqlstores.coalescing.operations import Connector, Operation
from litestar_sqlstores.coalescing.queues import MAX_BATCH_ITEMS, Queues
from litestar_sqlstores.coalescing.statements import Statements

__all__ = ("Lanes",)

logger = logging.getLogger("litestar_sqlstores")

ConnectionT = TypeVar("ConnectionT")

MIN_SHARED = 64
"""From this many calls on, lanes share them: fewer gain less by statements that overlap than more statements cost."""
LINGER_SECONDS = 0.05
"""How long a lane without work keeps its connection."""
HOLD_SECONDS = 0.5
"""How long a lane with work keeps its connection before others in the application get a chance to have it."""
PAUSE_SECONDS = 0.001
"""How long a lane that has given its connection back waits before it takes one again."""
RECONNECT_SECONDS = 1.0
"""How long no further lane is tried after one got no connection while others have theirs."""


class Lanes(Generic[ConnectionT]):
    """The lanes of a coalescer.

    Args:
        connector: How to reach the database.
        queues: Where the calls wait.
        statements: What runs them.
        limits: How many there are, and what they do at a time.
        context: What timers and callbacks run in.
    """

    def __init__(
        self,
        connector: Connector[ConnectionT],
        queues: Queues[ConnectionT],
        statements: Statements[ConnectionT],
        limits: Limits,
        context: contextvars.Context,
    ) -> None:
        self._connector = connector
        self._queues = queues
        self._statements = statements
        self._context = context
        self._limits = limits
        self._read_shares = min(limits.shares, limits.max_lanes)
        self._write_shares = min(limits.shares, limits.max_lanes, limits.max_writers)
        self._connecting = False
        self._connect_after = 0.0
        self._idle: dict[asyncio.Task[None], asyncio.Future[bool]] = {}
        # Those that are about to look into the queues: no need to wake another one for a new call.
        self._looking: set[asyncio.Task[None]] = set()
        self._closing = False
        self.tasks: set[asyncio.Task[None]] = set()
        """What there are of them."""
        self.connected = 0
        """How many lanes have a connection."""

    def called(self, operation: Operation[ConnectionT]) -> None:
        """Have a lane see to a new call, unless one is about to look, or it is to wait for those under way."""
        # A lane that rests looks for itself before long.
        if not self._looking and (not self._idle or self._share(operation)):
            self._wake()

    def _wake(self) -> None:
        while self._idle:
            # The one that rested last has the warmest connection.
            lane, waiter = self._idle.popitem()
            if not waiter.done():
                waiter.set_result(True)
                self._looking.add(lane)
                return
        if not self._connecting and len(self.tasks) < self._limits.max_lanes and self._may_connect():
            self._connecting = True
            # A context of its own: a lane outlives the request that happened to start it.
            lane = asyncio.create_task(self._run_lane(), context=contextvars.Context())
            self.tasks.add(lane)
            lane.add_done_callback(self._lane_ended, context=self._context)

    def open(self) -> None:
        """Have lanes rest when there is no work (again)."""
        self._closing = False

    async def close(self, timeout: float) -> bool:  # noqa: ASYNC109 - what waits is failed by the caller then
        """Let the lanes answer what waits, and end.

        Args:
            timeout: Seconds until they are cancelled.

        Returns:
            Whether all have ended; not if they were opened again meanwhile.
        """
        self._closing = True
        for lane in list(self._idle):
            self._send_home(lane)
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        # A lane may end before the last call that waits is made; another one takes its place.
        while self._closing and self.tasks and loop.time() < until:
            await asyncio.wait(self.tasks, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        if not self._closing:
            return False
        if late := set(self.tasks):
            for lane in late:
                lane.cancel()
            await asyncio.wait(late)
        return True

    def _may_connect(self) -> bool:
        return not self.connected or asyncio.get_running_loop().time() >= self._connect_after

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
                self.connected += 1
                stack.callback(self._disconnected)
                if not await self._serve(connection):
                    return
            # Some pools hand a connection to whoever asks first, and not to those who wait for it.
            await asyncio.sleep(PAUSE_SECONDS)
            self._connecting = True

    def _disconnected(self) -> None:
        self.connected -= 1

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        self.tasks.discard(lane)
        self._looking.discard(lane)
        if lane.cancelled():
            # By close(), or because the event loop is coming to its end: no time to start anything.
            return
        if (error := lane.exception()) is not None:
            # Nothing of a statement gets here: giving the connection back has failed.
            logger.warning("a lane ended: %s", type(error).__name__, exc_info=error)
        # While the coalescer closes, the lanes that are left see to what waits, some of which may wait for them.
        if self._queues.waiting and not (self._closing and self.tasks):
            self._wake()

    def _connect_failed(self, error: Exception) -> None:
        if self.connected:
            # The pool may just be used up. The lanes that have a connection serve all calls meanwhile.
            self._connect_after = asyncio.get_running_loop().time() + RECONNECT_SECONDS
            logger.debug("no connection for another lane: %s", type(error).__name__)
            return
        self._statements.fail(self._queues.take_all(), lambda: self._connector.describe(error))

    async def _serve(self, connection: ConnectionT) -> bool:
        """Run batches on a connection; returns whether to go on with another one."""
        loop = asyncio.get_running_loop()
        lane = cast("asyncio.Task[None]", asyncio.current_task())
        until = loop.time() + HOLD_SECONDS
        rested = False
        while loop.time() < until:
            batch = self._take(lane, rested)
            rested = False
            if batch is None:
                if self._closing:
                    return False
                rested = not await self._woken(lane)
                # What came in while the lane was on its way out is still its work.
                if rested and not self._queues.waiting:
                    return False
            elif not await self._statements.run(batch, connection):
                return True
            else:
                # Those who were answered may call again before this lane looks for more.
                self._looking.add(lane)
                await asyncio.sleep(0)
        self._looking.discard(lane)
        if self._queues.waiting:
            self._wake()
        return True

    async def _woken(self, lane: asyncio.Task[None]) -> bool:
        """Rest; returns whether there is work before the lane has rested."""
        loop = asyncio.get_running_loop()
        self._idle[lane] = waiter = asyncio.Future[bool](loop=loop)
        bedtime = loop.call_later(LINGER_SECONDS, self._send_home, lane, context=self._context)
        try:
            return await waiter
        finally:
            bedtime.cancel()
            self._idle.pop(lane, None)

    def _send_home(self, lane: asyncio.Task[None]) -> None:
        # Unless it was woken in this very moment.
        waiter = self._idle.pop(lane, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(False)

    def _take(self, lane: asyncio.Task[None], rested: bool) -> Batch[ConnectionT] | None:
        self._looking.discard(lane)
        for operation in self._queues.operations():
            share = self._share(operation, rested)
            if share and (calls := self._queues.take(operation, share, self._statements.writing)):
                if self._queues.waiting:
                    self._wake()
                return Batch(operation, calls, lane)
        return None

    def _share(self, operation: Operation[ConnectionT], rested: bool = False) -> int:
        """How many calls for an operation a lane takes at most.

        Args:
            operation: What is called for.
            rested: Whether the lane has rested: it takes what lanes with work have left for so long.
        """
        if operation.writes and self._statements.writers >= self._limits.max_writers:
            return 0
        waiting = self._queues.length(operation)
        statements, calls = self._statements.under_way(operation)
        if waiting + calls < MIN_SHARED:
            return MAX_BATCH_ITEMS
        shares = self._write_shares if operation.writes else self._read_shares
        share = -(-(waiting + calls) // shares)
        # What is left over for one more statement is not worth it: the next lane that is through takes it along.
        return 0 if statements >= shares and waiting < share and not rested else min(MAX_BATCH_ITEMS, share)
