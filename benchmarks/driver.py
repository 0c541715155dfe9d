"""The floor: a driver runs a store's statements, on connections of its own, for keys and values that are ready made.

What the store adds to that (digests, checks, queues, futures, an answer for each caller) is the distance to these
figures.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter_ns
from typing import Any, NamedTuple, cast

from benchmarks.contender import Contender, share
from benchmarks.operations import Operation
from benchmarks.workload import Call
from litestar_sqlstores import BaseSQLSpecStore
from litestar_sqlstores.backends.records import Entry, Renewal
from litestar_sqlstores.durations import tolerance_ms

__all__ = ("DRIVER_KINDS", "DriverContender")

DRIVER_KINDS = ("one by one", "callers' batch", "best batch")

_BATCHES = (64, 512)
_TRIED = 4096
"""Calls with which each way to batch is tried."""


class Shape(NamedTuple):
    """How calls travel: so many in a statement, so many statements at a time."""

    batch: int
    connections: int

    def __str__(self) -> str:
        return f"{self.batch} in a statement, {self.connections} at a time"


@dataclass(slots=True)
class DriverContender(Contender):
    """A driver without the store. Its table is the store's, and the store is used wherever no clock runs."""

    _shape: Shape = field(default=Shape(1, 1), init=False)

    async def warm_up(self, operation: Operation, concurrency: int) -> int:
        """As for a store, with the fastest of the ways to batch that this peer has."""
        fastest = 0.0
        shapes = list(self._shapes(operation, concurrency))
        best = shapes[0]
        for shape in shapes if self.settings.calls is None else ():
            self._shape = shape
            count = max(shape.batch * shape.connections, _TRIED if shape.batch > 1 else 256)
            await self.prepare(operation)
            tried = await self.round(operation, count, concurrency)
            if tried.calls / tried.seconds > fastest:
                fastest, best = tried.calls / tried.seconds, shape
        self._shape, self.shape = best, str(best)
        # slots and super() without arguments do not go together in a dataclass
        return await Contender.warm_up(self, operation, concurrency)

    async def measure(self, operation: Operation, calls: list[Call], concurrency: int) -> tuple[float, list[int]]:  # noqa: ARG002
        store = cast("BaseSQLSpecStore[Any]", self.store)
        backend = store._backend
        run = getattr(backend, cast("str", operation.statement))
        batches = iter(list(self._batches(operation, calls)))
        durations: list[int] = []
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(backend.connect()) for _ in range(self._shape.connections)]

            async def work() -> None:
                connection = connections.pop()
                for batch, count in batches:
                    started = perf_counter_ns()
                    await run(connection, batch)
                    durations.extend([perf_counter_ns() - started] * count)

            return await share(work, self._shape.connections, self.settings.timeout), durations

    def _shapes(self, operation: Operation, concurrency: int) -> Iterator[Shape]:
        store = cast("BaseSQLSpecStore[Any]", self.store)
        backend = store._backend
        most = backend.max_connections() if operation.statement == "get" else backend.max_writers
        connections = sorted({1, most})
        if self.peer.kind == "one by one":
            yield Shape(1, min(most, concurrency))
        elif self.peer.kind == "callers' batch":
            yield from (Shape(-(-concurrency // number), number) for number in connections if number <= concurrency)
        else:
            rows = len(self.workload.everything())
            yield from (Shape(min(batch, rows // n), n) for batch in _BATCHES for n in connections)

    def _batches(self, operation: Operation, calls: list[Call]) -> Iterator[tuple[Any, int]]:
        """What the backend takes for each statement, and how many calls that is."""
        store = cast("BaseSQLSpecStore[Any]", self.store)
        remaining = iter(calls)
        while chunk := list(islice(remaining, self._shape.batch)):
            arguments = {store.digest(call.key): self._argument(operation, call) for call in chunk}
            yield (arguments if operation.statement in {"get_and_renew", "set"} else list(arguments)), len(chunk)

    def _argument(self, operation: Operation, call: Call) -> Renewal | Entry | None:
        store = cast("BaseSQLSpecStore[Any]", self.store)
        ttl = call.lifetime * 1000
        tolerance = tolerance_ms(ttl, store.settings.renew_tolerance)
        if operation.statement == "get_and_renew":
            return Renewal(ttl, tolerance)
        return Entry(store.namespace, call.value, ttl, tolerance, None) if operation.statement == "set" else None
