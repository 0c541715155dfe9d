"""A peer in the ring: its open store, the sessions in it, and rounds of calls."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter, perf_counter_ns

from hdrh.histogram import HdrHistogram
from litestar.stores.base import Store

from benchmarks.latency import histogram
from benchmarks.operations import CallStore, Operation, get, set_value
from benchmarks.peers import Peer
from benchmarks.workload import Call, Workload

__all__ = ("BenchmarkError", "Contender", "Round", "Settings", "share")

_CHECKED = 100
"""Calls of each round whose effect is checked."""

_WARM_UP = 0.3
"""Seconds after which a rate is believed."""

_FRESH_FOR = 25
"""Seconds: a minute after it was stored, a session's renewal is due even where it must not be."""

_PLANNED_BYTES = 256 * 1024 * 1024
"""How much memory the new values of a plan may take."""


class BenchmarkError(Exception):
    """A store gave a wrong answer: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    concurrency: tuple[int, ...] = (1, 64)
    processes: tuple[int, ...] = (1,)
    value_sizes: tuple[int, ...] = (512,)
    """Bytes a session holds."""
    rows: tuple[int, ...] = (10_000,)
    """Live sessions in the table."""
    hot: int = 10_000
    """How many of these are called for, at most."""
    rounds: int = 5
    seconds: float = 1.0
    """How long a round lasts, about: the warm-up tells how many calls that takes."""
    calls: int | None = None
    """Calls a round, instead of ``seconds``."""
    timeout: float = 60.0
    """Seconds after which calls that hang are given up."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a round measured."""

    calls: int
    seconds: float
    latencies: HdrHistogram


@dataclass(slots=True)
class Contender:
    """A peer with its open store, and the sessions in it."""

    peer: Peer
    store: Store
    workload: Workload
    settings: Settings
    value_size: int = 512
    shape: str = field(default="", init=False)
    """How calls travel, for a driver without a store."""
    _reset_at: float = field(default=float("-inf"), init=False)

    async def reset(self) -> None:
        """Store every session with its value and its full time to live."""
        await self.run(set_value, self.workload.everything(), self.peer.loaders)
        self._reset_at = perf_counter()

    async def prepare(self, operation: Operation) -> None:
        """Have the sessions as the operation needs them."""
        if operation.fresh and perf_counter() - self._reset_at > _FRESH_FOR:
            await self.reset()
        gc.collect()  # nobody pays for what others left behind

    async def round(self, operation: Operation, count: int, concurrency: int) -> Round:
        """Measure one round of ``count`` calls."""
        calls = operation.plan(self.workload, count)
        if operation.before:
            await self.run(operation.before, calls, self.peer.loaders)
        seconds, durations = await self.measure(operation, calls, concurrency)
        last_of_each_key = {call.key: call for call in calls}
        await self.check(operation, [*last_of_each_key.values()][-_CHECKED:])
        if operation.after:
            await self.run(operation.after, calls, self.peer.loaders)
        return Round(count, seconds, histogram(durations))

    async def warm_up(self, operation: Operation, concurrency: int) -> int:
        """Call until the rate can be believed.

        Returns:
            How many calls fill a round.
        """
        if self.settings.calls is not None:
            return self.settings.calls
        most = _PLANNED_BYTES // self.value_size if operation.makes_values else 10**9
        count = min(10 * concurrency, most)
        while True:
            seconds = (await self.round(operation, count, concurrency)).seconds
            if seconds >= _WARM_UP or count == most:
                return min(max(concurrency, round(count / seconds * self.settings.seconds)), most)
            count = min(2 * count, most)

    async def measure(self, operation: Operation, calls: list[Call], concurrency: int) -> tuple[float, list[int]]:
        """Make the calls while the clock runs; seconds in all, and nanoseconds of each."""
        durations: list[int] = []
        seconds = await self.run(operation.call, calls, concurrency, durations)
        return seconds, durations

    async def check(self, operation: Operation, calls: list[Call]) -> None:
        """See that the calls had their effect.

        Raises:
            BenchmarkError: They had not.
        """
        check_with = operation.call if operation.answers else get

        async def check_call(store: Store, call: Call) -> None:
            answer = await check_with(store, call)
            if answer != (None if operation.removes and call.action == "delete" else call.value):
                found = "nothing" if answer is None else "another value"
                msg = f"{self.peer.name}: after {operation.name!r}, a session holds {found}"
                raise BenchmarkError(msg)

        await self.run(check_call, calls, self.peer.loaders)

    async def run(
        self, call_store: CallStore, calls: list[Call], concurrency: int, durations: list[int] | None = None
    ) -> float:
        """Have ``concurrency`` callers share the calls, each making one after another.

        Returns:
            Seconds it took.
        """
        store, remaining, clock = self.store, iter(calls), perf_counter_ns
        note = (durations if durations is not None else []).append

        async def caller() -> None:
            for call in remaining:
                started = clock()
                await call_store(store, call)
                note(clock() - started)

        return await share(caller, concurrency, self.settings.timeout)


async def share(caller: Callable[[], Awaitable[None]], concurrency: int, timeout: float) -> float:  # noqa: ASYNC109
    """Run so many callers until all have ended; the seconds it took."""
    try:
        async with asyncio.timeout(timeout):
            started = perf_counter()
            async with asyncio.TaskGroup() as callers:
                for _ in range(concurrency):
                    callers.create_task(caller())  # type: ignore[arg-type]
            return perf_counter() - started
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the other callers met the same
