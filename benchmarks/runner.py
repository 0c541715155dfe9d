"""Runs the rounds: each operation with all peers in turn (A B C A B C), so that a slow minute hits them all alike."""

import gc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import product
from statistics import median

from benchmarks.contender import BenchmarkError, Contender, Round, Settings
from benchmarks.driver import DRIVER_KINDS
from benchmarks.latency import Latency
from benchmarks.opening import Table, fill_table, open_contender
from benchmarks.operations import Operation
from benchmarks.peers import Backend, Kind, Peer
from benchmarks.processes import Crew, open_crew
from benchmarks.progress import Progress
from benchmarks.servers import Servers

__all__ = ("Measurement", "measure")


@dataclass(slots=True)
class Measurement:
    """What one peer did in one operation."""

    operation: str
    concurrency: int
    """Callers at a time, in each process."""
    table: Table
    peer: str
    kind: Kind
    backend: Backend | None
    calls: int = 0
    """Calls a round, in each process."""
    rates: list[float] = field(default_factory=list)
    """Operations a second, one figure a round."""
    latencies: list[Latency] = field(default_factory=list)
    """One for each round."""
    shape: str = ""
    """How a driver without a store took the calls."""
    error: str = ""
    """Why there are no figures."""

    def add(self, measured: Round) -> None:
        self.rates.append(measured.calls / measured.seconds)
        self.latencies.append(Latency.of(measured.latencies))

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)


async def measure(
    peers: Sequence[Peer],
    operations: Sequence[Operation],
    settings: Settings,
    servers: Servers,
    progress: Progress,
) -> list[Measurement]:
    """Measure ``operations`` with ``peers``, all of them open at once."""
    tables = [
        Table(value_size, rows, processes)
        for value_size, rows, processes in product(settings.value_sizes, settings.rows, settings.processes)
    ]
    progress.expect(len(tables) * len(settings.concurrency) * len(operations) * len(peers) * (settings.rounds + 1))
    measurements: list[Measurement] = []
    gc.collect()
    gc.freeze()  # what was imported is not looked at again before each round
    for table in tables:
        async with AsyncExitStack() as stack:
            contenders = []
            for peer in peers:
                if table.suits(peer, settings.hot):
                    progress.show(f"{table.rows:,} rows: {peer.name}")
                    contenders.append(await stack.enter_async_context(_enter(peer, table, settings, servers)))
            for concurrency, operation in product(settings.concurrency, operations):
                progress.title(
                    f"{operation.name}, {concurrency} callers, {table.value_size:,} bytes, {table.rows:,} rows, "
                    f"{table.processes} process{'es' * (table.processes > 1)}"
                )
                measurements += await _measure_operation(contenders, operation, concurrency, table, settings, progress)
    return measurements


@asynccontextmanager
async def _enter(peer: Peer, table: Table, settings: Settings, servers: Servers) -> AsyncIterator[Contender | Crew]:
    url = peer.place(servers)
    if table.rows > settings.hot or table.processes > 1:
        await fill_table(peer, url, table, settings)
    opening = open_contender if table.processes == 1 else open_crew
    async with opening(peer, url, table, settings) as contender:
        yield contender


async def _measure_operation(  # noqa: PLR0917
    contenders: Sequence[Contender | Crew],
    operation: Operation,
    concurrency: int,
    table: Table,
    settings: Settings,
    progress: Progress,
) -> list[Measurement]:
    running: list[tuple[Contender | Crew, Measurement]] = []
    for contender in contenders:
        peer = contender.peer
        progress.show(f"warm-up, {peer.name}")
        if peer.kind in DRIVER_KINDS and operation.statement is None:
            continue
        measurement = Measurement(operation.name, concurrency, table, peer.name, peer.kind, peer.backend)
        with _errors_of_others(measurement):
            await contender.reset()
            await contender.prepare(operation)
            measurement.calls = await contender.warm_up(operation, concurrency)
            measurement.shape = contender.shape
        running.append((contender, measurement))
    for number in range(1, settings.rounds + 1):
        for contender, measurement in running:
            progress.show(f"round {number} of {settings.rounds}, {measurement.peer}")
            if not measurement.error:
                with _errors_of_others(measurement):
                    await contender.prepare(operation)
                    measurement.add(await contender.round(operation, measurement.calls, concurrency))
    return [measurement for _, measurement in running]


@contextmanager
def _errors_of_others(measurement: Measurement) -> Iterator[None]:
    """Note an error in place of figures, unless it is one of ours, which ends the run."""
    try:
        yield
    except Exception as error:
        if measurement.kind == "ours" or measurement.kind in DRIVER_KINDS:
            raise
        measurement.error = str(error) if isinstance(error, BenchmarkError) else type(error).__name__
        measurement.rates.clear()
        measurement.latencies.clear()
