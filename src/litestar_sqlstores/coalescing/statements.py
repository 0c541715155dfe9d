"""Runs a batch as a statement: again where that may help, in parts where a call spoils it, and in time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from litestar_sqlstores.coalescing.calls import Batch, Call
from litestar_sqlstores.coalescing.operations import CONCERNS_EVERY_CALL, Answers, Connector, Failure, Operation
from litestar_sqlstores.coalescing.queues import Queues
from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.observability import Observer, Statement

__all__ = ("MAX_CONFLICT_RETRIES", "Statements")

ConnectionT = TypeVar("ConnectionT")

MAX_CONFLICT_RETRIES = 8
MAX_LOSSES = 4
"""How many connections a call may lose: a server that restarts ends all of them, and a store has so many by default."""
LOSS_SECONDS = 0.2
"""How long they take to end. What loses another one later is given up: a statement may take long to fail."""
DISCARD_SECONDS = 2.0
"""How long calls for the same keys wait for the end of a broken connection, on which a statement may be under way."""


class Statements(Generic[ConnectionT]):
    """The statements under way.

    Args:
        connector: What errors mean, and how to part with a connection.
        queues: Where calls go back to whose statement has not run.
        observer: Who is told of each statement.
        timeout: Seconds that a call has from when it was made.
    """

    def __init__(
        self,
        connector: Connector[ConnectionT],
        queues: Queues[ConnectionT],
        observer: Observer | None,
        timeout: float,
    ) -> None:
        self._connector = connector
        self._queues = queues
        self._observer = observer
        self._timeout = timeout
        self._in_flight: dict[asyncio.Task[None], Batch[ConnectionT]] = {}
        # Lanes whose statement nobody waits for any more.
        self._abandoned: set[asyncio.Task[None]] = set()
        self.writing: set[bytes] = set()
        """The keys that are being written."""
        self.writers = 0
        """How many statements write."""

    async def run(self, batch: Batch[ConnectionT], connection: ConnectionT) -> bool:
        """Run a batch and answer its calls; returns whether the connection is still good, and discards it if not."""
        keys = {call.key for call in batch.calls} if batch.operation.writes else set()
        self.writing |= keys
        self.writers += batch.operation.writes
        try:
            healthy = await self._attempt_in_time(batch, connection)
            if not healthy:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DISCARD_SECONDS):
                        await self._connector.discard(connection)
        finally:
            self.writing -= keys
            self.writers -= batch.operation.writes
        return healthy

    async def _attempt_in_time(self, batch: Batch[ConnectionT], connection: ConnectionT) -> bool:
        lane = batch.lane
        self._in_flight[lane] = batch
        healthy = False
        try:
            healthy = await self._attempt(batch, connection)
        except asyncio.CancelledError:
            if lane not in self._abandoned:
                # The event loop is coming to its end.
                for call in batch.calls:
                    call.cancel()
                raise
        finally:
            del self._in_flight[lane]
        if lane in self._abandoned:
            # Whatever the driver made of that.
            self._abandoned.remove(lane)
            while lane.cancelling():
                lane.uncancel()
            return False
        return healthy

    async def _attempt(self, batch: Batch[ConnectionT], connection: ConnectionT) -> bool:
        retries = 0
        while True:
            started = 0.0 if self._observer is None else asyncio.get_running_loop().time()
            try:
                results = await batch.operation.run(connection, batch.arguments())
            except asyncio.CancelledError:
                if batch.lane.cancelling():
                    raise
                # The driver's own doing: gRPC, for one, cancels what is under way when its channel closes.
                self._lost_connection(batch, ConnectionError("the driver cancelled the statement"))
                return False
            except Exception as error:  # noqa: BLE001 - callers get it, whatever it is
                failure = self._connector.classify(error)
                patient = failure is Failure.BUSY or (failure is Failure.CONFLICT and retries < MAX_CONFLICT_RETRIES)
                if patient and batch.unanswered():
                    retries += 1
                    self._tell_retry(batch.operation, failure)
                    await asyncio.sleep(random.uniform(0, 0.002 * 2 ** min(retries, 6)))  # noqa: S311 - no secret
                    continue
                if failure is Failure.NOT_SENT:
                    self._tell_retry(batch.operation, failure)
                    self._queues.put_back(batch.operation, batch.unanswered())
                    return False
                if failure is Failure.DISCONNECTED:
                    self._lost_connection(batch, error)
                    return False
                if failure not in CONCERNS_EVERY_CALL and len(batch.calls) > 1:
                    return await self._attempt_parts(batch, connection)
                self.fail(batch.calls, partial(self._connector.describe, error))
                return True
            if isinstance(results, Answers) and results.onward and batch.operation.then is not None:
                self._send_onward(batch, batch.operation.then, results.onward)
            batch.answer(results)
            if self._observer is not None and batch.calls:
                self._observer.statement(self._report(batch, results, started))
            return True

    def _report(self, batch: Batch[ConnectionT], results: Mapping[bytes, Any], started: float) -> Statement:
        called = min(call.deadline for call in batch.calls) - self._timeout
        return Statement(
            batch.operation.name,
            calls=len(batch.calls),
            found=sum(results.get(call.key) is not None for call in batch.calls),
            written=getattr(results, "written", None),
            queued=started - called,
            seconds=asyncio.get_running_loop().time() - started,
        )

    def _send_onward(
        self, batch: Batch[ConnectionT], then: Operation[ConnectionT], arguments: Mapping[bytes, Any]
    ) -> None:
        going = [call for call in batch.calls if call.key in arguments]
        for call in going:
            call.argument = arguments[call.key]
        batch.calls = [call for call in batch.calls if call.key not in arguments]
        self._queues.put_back(then, [call for call in going if not call.done()])

    def _tell_retry(self, operation: Operation[ConnectionT], failure: Failure) -> None:
        if self._observer is not None:
            self._observer.retry(operation.name, failure.name.lower())

    async def _attempt_parts(self, batch: Batch[ConnectionT], connection: ConnectionT) -> bool:
        calls = batch.unanswered()
        middle = (len(calls) + 1) // 2
        for part in filter(None, (calls[:middle], calls[middle:])):
            if not await self._attempt(Batch(batch.operation, part, batch.lane), connection):
                # The other part has to wait for a new connection too.
                self._queues.put_back(batch.operation, batch.unanswered())
                return False
        return True

    def _lost_connection(self, batch: Batch[ConnectionT], error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        last = [call for call in batch.calls if not (batch.operation.repeatable and self._may_lose(call, now))]
        self.fail(last, partial(self._connector.describe, error))
        again = batch.unanswered()
        if again:
            self._tell_retry(batch.operation, Failure.DISCONNECTED)
        for call in again:
            if not call.losses:
                call.lost_at = now
            call.losses += 1
        self._queues.put_back(batch.operation, again)

    def _may_lose(self, call: Call, now: float) -> bool:
        """Whether a call that has lost a connection is tried again."""
        return not call.losses or (call.losses < MAX_LOSSES and now - call.lost_at < LOSS_SECONDS)

    def under_way(self, operation: Operation[ConnectionT]) -> tuple[int, int]:
        """How many statements of an operation are under way, and how many calls they carry."""
        sizes = [len(batch.calls) for batch in self._in_flight.values() if batch.operation is operation]
        return len(sizes), sum(sizes)

    def overdue(self, now: float) -> list[Call]:
        """The calls under way whose time is up."""
        return [call for batch in self._in_flight.values() for call in batch.calls if call.deadline <= now]

    def give_up(self, now: float) -> list[float]:
        """Give up on statements that nobody waits for any more; returns when to look at the others again."""
        deadlines: list[float] = []
        for lane, batch in list(self._in_flight.items()):
            remaining = [call.deadline for call in batch.calls if call.deadline > now]
            if remaining:
                deadlines.append(min(remaining))
            else:
                self._abandoned.add(lane)
                lane.cancel()
        return deadlines

    def fail(self, calls: Iterable[Call], error: Callable[[], StoreError]) -> None:
        """Fail the calls that have no answer yet, each with an error of its own."""
        for call in calls:
            if not call.done():
                described = error()
                call.fail(described)
                if self._observer is not None:
                    self._observer.failure(type(described).__name__, 1)
