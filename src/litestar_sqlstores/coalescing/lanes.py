"""Lanes: tasks that take calls from the queues and run them as statements, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Generic, TypeVar, cast

from litestar_sqlstores.coalescing.calls import Batch
from litestar_sqlstores.coalescing.connections import Connections, NoConnectionError
from litestar_sqlstores.coalescing.operations import Operation
from litestar_sqlstores.coalescing.queues import MAX_BATCH_ITEMS
from litestar_sqlstores.coalescing.shared import Shared
from litestar_sqlstores.coalescing.statements import Statements

__all__ = ("Lanes",)

logger = logging.getLogger("litestar_sqlstores")

ConnectionT = TypeVar("ConnectionT")

MIN_SHARED = 64
"""From this many calls on, lanes share them: fewer gain less by statements that overlap than more statements cost.

Where calls are not to be shared at all, even few wait for the statement that is under way."""
LINGER_SECONDS = 0.05
"""How long a lane without work keeps its connection."""
HOLD_SECONDS = 0.5
"""How long a lane with work keeps its connection before others in the application get a chance to have it."""
PAUSE_SECONDS = 0.001
"""How long a lane that has given its connection back waits before it takes one again."""
RECONNECT_SECONDS = 1.0
"""How long no further lane is tried after one got no connection while others have theirs."""
CANCEL_SECONDS = 1.0
"""How long a driver may take to notice that the lane was cancelled when the coalescer closes."""


class Lanes(Generic[ConnectionT]):
    """The lanes of a coalescer.

    Args:
        shared: Where the calls wait, and so on.
        statements: What runs them.
    """

    def __init__(self, shared: Shared[ConnectionT], statements: Statements[ConnectionT]) -> None:
        self._connector = shared.connector
        self._connections = Connections(shared.connector, shared.health, shared.limits.connect_timeout)
        self._queues = shared.queues
        self._health = shared.health
        self._clock = shared.clock
        self._limits = limits = shared.limits
        self._statements = statements
        self._read_shares = min(limits.shares, limits.max_lanes)
        self._write_shares = min(limits.shares, limits.max_lanes, limits.max_writers)
        # The one that is about to get a connection; others wait for how that turns out.
        self._connecting: set[asyncio.Task[None]] = set()
        self._connect_after = 0.0
        self._idle: dict[asyncio.Task[None], asyncio.Future[bool]] = {}
        # Those that are about to look into the queues: no need to wake another one for a new call.
        self._looking: set[asyncio.Task[None]] = set()
        self._closing = self._ending = False
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
            # A context of its own: a lane outlives the request that happened to start it.
            lane = asyncio.create_task(self._run_lane(), context=contextvars.Context())
            self.tasks.add(lane)
            self._connecting.add(lane)
            lane.add_done_callback(self._lane_ended, context=self._clock.context)

    def work_again(self) -> None:
        """Have a lane see to calls that had to wait for keys which can be written now."""
        if self._queues.waiting:
            self._wake()

    def open(self) -> None:
        """Have lanes rest when there is no work (again)."""
        self._closing = self._ending = False

    async def finish(self, timeout: float) -> bool:  # noqa: ASYNC109 - what waits is failed by the caller then
        """Let the lanes answer what waits, and end.

        Args:
            timeout: Seconds that they have for it.

        Returns:
            Whether nobody has opened them again meanwhile.
        """
        self._closing = True
        for lane in list(self._idle):
            self._send_home(lane)
        expired = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(timeout, expired.cancel)
        try:
            # A lane may end before the last call that waits is made; another one takes its place.
            while self._closing and self.tasks and not expired.done():
                await asyncio.wait({*self.tasks, expired}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        return self._closing

    async def end(self) -> None:
        """End the lanes that are left; those that part with a connection first do that."""
        self._ending = True
        for lane in self.tasks - self._statements.parting():
            lane.cancel()
        for seconds in (CANCEL_SECONDS, PAUSE_SECONDS):
            if self.tasks:
                _, late = await asyncio.wait(set(self.tasks), timeout=seconds)
                for lane in late:
                    lane.cancel()
        if self.tasks:
            logger.warning("%d connections were left to a driver that does not let go of them", len(self.tasks))

    def _may_connect(self) -> bool:
        return not self.connected or self._clock.now() >= self._connect_after

    async def _run_lane(self) -> None:
        lane = cast("asyncio.Task[None]", asyncio.current_task())
        while (pause := await self._use_connection(lane)) is not None:
            # Some pools hand a connection to whoever asks first, and not to those who wait for it.
            await self._clock.sleep(pause)
            self._connecting.add(lane)

    async def _use_connection(self, lane: asyncio.Task[None]) -> float | None:
        """Serve calls on a connection; returns the seconds to wait before the next one, None if none is needed."""
        try:
            async with self._connections.borrow() as connection:
                self._connecting.discard(lane)
                self.connected += 1
                try:
                    return await self._serve(lane, connection)
                finally:
                    self.connected -= 1
        except NoConnectionError as error:
            return self._health.pause() if self._try_again(error) else None

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        self.tasks.discard(lane)
        self._looking.discard(lane)
        self._connecting.discard(lane)
        if lane.cancelled():
            # By close(), or because the event loop is coming to its end: no time to start anything.
            return
        if (error := lane.exception()) is not None:
            logger.warning("a lane ended: %s", type(error).__name__, exc_info=error)
        # While the coalescer closes, the lanes that are left see to what waits, some of which may wait for them.
        if self._queues.waiting and not (self._closing and self.tasks):
            self._wake()

    def _try_again(self, error: NoConnectionError) -> bool:
        if self.connected:
            # The pool may just be used up. The lanes that have a connection serve all calls meanwhile.
            self._connect_after = self._clock.now() + RECONNECT_SECONDS
            logger.debug("no connection for another lane: %s", type(error.cause).__name__)
            return False
        if error.transient and not (self._closing and self._health.trouble):
            # Nothing was sent, so that calls may wait for a server that restarts or is replaced, as long as they have.
            self._queues.drop_cancelled()
            return self._queues.waiting > 0
        self._statements.fail(self._queues.take_all(), lambda: self._connector.describe(error.cause))
        return False

    async def _serve(self, lane: asyncio.Task[None], connection: ConnectionT) -> float | None:
        """Run batches on a connection; returns as :meth:`_use_connection` does."""
        now = self._clock.now
        until = now() + HOLD_SECONDS
        rested = False
        while now() < until:
            batch = self._take(lane, rested)
            rested = False
            if batch is None:
                if self._closing and not self._queues.waiting:
                    return None
                rested = not await self._woken(lane)
                # What came in while the lane was on its way out is still its work.
                if rested and not self._queues.waiting:
                    return None
            elif not await self._statements.run(batch, connection):
                return None if self._ending else self._health.pause()
            else:
                # Those who were answered may call again before this lane looks for more.
                self._looking.add(lane)
                await asyncio.sleep(0)
        self._looking.discard(lane)
        self.work_again()
        return PAUSE_SECONDS

    async def _woken(self, lane: asyncio.Task[None]) -> bool:
        """Rest; returns whether there is work before the lane has rested."""
        loop = asyncio.get_running_loop()
        self._idle[lane] = waiter = asyncio.Future[bool](loop=loop)
        # Where the clock stands still, a lane may rest for longer.
        bedtime = loop.call_later(LINGER_SECONDS, self._send_home, lane, context=self._clock.context)
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
        shares = self._write_shares if operation.writes else self._read_shares
        if waiting + calls < MIN_SHARED and shares > 1:
            return MAX_BATCH_ITEMS
        share = -(-(waiting + calls) // shares)
        # What is left over for one more statement is not worth it: the next lane that is through takes it along.
        leaves = statements >= shares and waiting < share and not rested and not self._have_waited(operation)
        return 0 if leaves else min(MAX_BATCH_ITEMS, share)

    def _have_waited(self, operation: Operation[ConnectionT]) -> bool:
        """Whether calls have waited for as long as a lane rests, which may have other work all the time."""
        return self._clock.now() >= self._queues.oldest_deadline(operation) - self._limits.timeout + LINGER_SECONDS
