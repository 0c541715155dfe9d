"""Runs a batch as a statement: again where that may help, in parts where a call spoils it, and in time."""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from litestar_sqlstores.coalescing.calls import Batch, Call
from litestar_sqlstores.coalescing.kills import Kills
from litestar_sqlstores.coalescing.operations import (
    CONCERNS_EVERY_CALL,
    NOT_RUN,
    Answers,
    Failure,
    Kill,
    Operation,
)
from litestar_sqlstores.coalescing.shared import Shared
from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.observability import Statement

__all__ = ("MAX_CONFLICT_RETRIES", "Statements")

ConnectionT = TypeVar("ConnectionT")

MAX_CONFLICT_RETRIES = 8
DISCARD_SECONDS = 2.0
"""How long a driver may take to part with a broken connection."""


class _End(enum.Enum):
    """What a statement leaves behind."""

    ANSWERED = enum.auto()
    """A connection that is still good."""
    NOT_RUN = enum.auto()
    """A connection that is no good, on which nothing is under way."""
    OPEN = enum.auto()
    """A connection that is no good, on which the statement may be under way."""


class Statements(Generic[ConnectionT]):
    """The statements under way.

    Args:
        shared: The queues that calls go back to whose statement has not run, and so on.
        kills: What ends statements that were given up.
    """

    def __init__(self, shared: Shared[ConnectionT], kills: Kills) -> None:
        self._connector = shared.connector
        self._clock = shared.clock
        self._queues = shared.queues
        self._health = shared.health
        self._observer = shared.observer
        self._timeout = shared.limits.timeout
        self._kills = kills
        self._in_flight: dict[asyncio.Task[None], Batch[ConnectionT]] = {}
        # What of them is at the database in this moment: a part of the batch, or none of it between two attempts.
        self._sent: dict[asyncio.Task[None], Batch[ConnectionT]] = {}
        # Lanes whose statement nobody waits for any more.
        self._abandoned: set[asyncio.Task[None]] = set()
        self._discarding: set[asyncio.Task[None]] = set()
        self.writing = shared.writing
        """The keys that are being written, or may be."""
        self.writers = 0
        """How many statements write."""

    async def run(self, batch: Batch[ConnectionT], connection: ConnectionT) -> bool:
        """Run a batch and answer its calls; returns whether the connection is still good, and discards it if not."""
        keys = {call.key for call in batch.calls} if batch.operation.writes else set()
        self.writing |= keys
        self.writers += batch.operation.writes
        try:
            end = await self._attempt_in_time(batch, connection)
            kill = None if end is _End.ANSWERED else await self._discard(batch.lane, connection)
            if kill is not None and end is _End.OPEN:
                # A read that renews harms nobody, however late: it leaves alone what was written after it has read.
                held, keys = (set[bytes](), keys) if batch.operation.repeatable else (keys, set[bytes]())
                self._kills.start(kill, held)
        finally:
            self.writing -= keys
            self.writers -= batch.operation.writes
        return end is _End.ANSWERED

    async def _discard(self, lane: asyncio.Task[None], connection: ConnectionT) -> Kill | None:
        self._discarding.add(lane)
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                return await self._connector.discard(connection)
        except Exception:  # noqa: BLE001 - the connection was lost before
            return None
        finally:
            self._discarding.remove(lane)

    def parting(self) -> set[asyncio.Task[None]]:
        """The lanes that give up a statement and part with its connection."""
        return self._abandoned | self._discarding

    async def _attempt_in_time(self, batch: Batch[ConnectionT], connection: ConnectionT) -> _End:
        lane = batch.lane
        self._in_flight[lane] = batch
        end = _End.OPEN
        try:
            end = await self._attempt(batch, connection)
        except asyncio.CancelledError:
            if lane not in self._abandoned:
                # The event loop is coming to its end.
                for call in batch.calls:
                    call.cancel()
                raise
        finally:
            del self._in_flight[lane]
            self._sent.pop(lane, None)
        if lane in self._abandoned:
            # Whatever the driver made of that.
            self._abandoned.remove(lane)
            while lane.cancelling():
                lane.uncancel()
            self._health.failed()
            return _End.OPEN
        return end

    async def _attempt(self, batch: Batch[ConnectionT], connection: ConnectionT) -> _End:
        retries = 0
        while True:
            started = 0.0 if self._observer is None else self._clock.now()
            try:
                self._sent[batch.lane] = batch
                results = await batch.operation.run(connection, batch.arguments())
            except asyncio.CancelledError:
                if batch.lane.cancelling():
                    raise
                # The driver's own doing: gRPC, for one, cancels what is under way when its channel closes.
                self._lost_connection(batch, ConnectionError("the driver cancelled the statement"))
                return _End.OPEN
            except Exception as error:  # noqa: BLE001 - callers get it, whatever it is
                failure = self._connector.classify(error)
                patient = failure is Failure.BUSY or (failure is Failure.CONFLICT and retries < MAX_CONFLICT_RETRIES)
                if patient and batch.unanswered():
                    del self._sent[batch.lane]
                    retries += 1
                    self._tell_retry(batch.operation, failure)
                    await self._clock.sleep(random.uniform(0, 0.002 * 2 ** min(retries, 6)))  # noqa: S311 - no secret
                    continue
                if failure in NOT_RUN:
                    self._health.failed(error)
                    self._repeat(batch, failure)
                    return _End.NOT_RUN
                if failure is Failure.DISCONNECTED:
                    self._lost_connection(batch, error)
                    return _End.OPEN
                if failure not in CONCERNS_EVERY_CALL and len(batch.calls) > 1:
                    return await self._attempt_parts(batch, connection)
                self.fail(batch.calls, partial(self._connector.describe, error))
                return _End.ANSWERED
            if isinstance(results, Answers) and results.onward and batch.operation.then is not None:
                self._send_onward(batch, batch.operation.then, results.onward)
            batch.answer(results)
            self._health.answered()
            if self._observer is not None and batch.calls:
                self._observer.statement(self._report(batch, results, started))
            return _End.ANSWERED

    def _report(self, batch: Batch[ConnectionT], results: Mapping[bytes, Any], started: float) -> Statement:
        called = min(call.deadline for call in batch.calls) - self._timeout
        return Statement(
            batch.operation.name,
            calls=len(batch.calls),
            found=sum(results.get(call.key) is not None for call in batch.calls),
            written=getattr(results, "written", None),
            queued=started - called,
            seconds=self._clock.now() - started,
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

    async def _attempt_parts(self, batch: Batch[ConnectionT], connection: ConnectionT) -> _End:
        calls = batch.unanswered()
        middle = (len(calls) + 1) // 2
        for part in filter(None, (calls[:middle], calls[middle:])):
            end = await self._attempt(Batch(batch.operation, part, batch.lane), connection)
            if end is not _End.ANSWERED:
                # The other part has to wait for a new connection too.
                self._queues.put_back(batch.operation, batch.unanswered())
                return end
        return _End.ANSWERED

    def _lost_connection(self, batch: Batch[ConnectionT], error: Exception) -> None:
        """Repeat what may run twice; the callers of the rest have to know that nobody knows whether it has run."""
        self._health.failed(error)
        if batch.operation.repeatable:
            self._repeat(batch, Failure.DISCONNECTED)
        else:
            self.fail(batch.calls, partial(self._connector.describe, error), outcome_unknown=True)

    def _repeat(self, batch: Batch[ConnectionT], failure: Failure) -> None:
        if again := batch.unanswered():
            self._tell_retry(batch.operation, failure)
            self._queues.put_back(batch.operation, again)

    def under_way(self, operation: Operation[ConnectionT]) -> tuple[int, int]:
        """How many statements of an operation are under way, and how many calls they carry."""
        sizes = [len(batch.calls) for batch in self._in_flight.values() if batch.operation is operation]
        return len(sizes), sum(sizes)

    def overdue(self, now: float) -> Iterator[tuple[Call, bool]]:
        """The calls under way whose time is up, and whether they may have taken effect."""
        for lane, batch in self._in_flight.items():
            late = [call for call in batch.calls if call.deadline <= now]
            if late:
                sent = () if batch.operation.repeatable or lane not in self._sent else set(self._sent[lane].calls)
                for call in late:
                    yield call, call in sent

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

    def fail(self, calls: Iterable[Call], error: Callable[[], StoreError], *, outcome_unknown: bool = False) -> None:
        """Fail the calls that have no answer yet, each with an error of its own."""
        for call in calls:
            if not call.done():
                described = error()
                described.outcome_unknown = outcome_unknown
                call.fail(described)
                if self._observer is not None:
                    self._observer.failure(type(described).__name__, 1)
