"""What a call of each operation costs, at several concurrencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

from benchmarks.contender import Contender, Settings
from benchmarks.cost.counters import COUNTERS, Counter
from benchmarks.operations import OPERATIONS, set_value
from benchmarks.peers import PEERS, Backend
from benchmarks.progress import Progress
from benchmarks.servers import Servers
from benchmarks.workload import Workload

__all__ = ("Cost", "count_costs")

_VALUE_SIZE = 512


@dataclass(slots=True)
class Cost:
    """What one call cost, on average."""

    backend: Backend
    operation: str
    concurrency: int
    calls: int
    counts: dict[str, float]
    """What the database counted, by :mod:`benchmarks.cost.counters`, less what opening and closing a store costs."""
    cpu: float
    """Microseconds that this process computed, in all its threads."""


async def count_costs(
    backends: Sequence[Backend], concurrency: Sequence[int], calls: int, servers: Servers, progress: Progress
) -> list[Cost]:
    """Count what calls cost: so many of each operation, but at least one for each caller."""
    progress.expect(len(backends) * len(concurrency) * len(OPERATIONS))
    costs = []
    for backend in backends:
        progress.title(f"the cost of calls on {backend}")
        counter = COUNTERS[backend](servers)
        # Enough that no two callers are about one session, and no more on the emulator, which takes its time.
        workload = Workload(max(64, *concurrency) if backend == "spanner" else 2 * max(concurrency), _VALUE_SIZE)
        async with counter.open() as store:
            await store.create_table()
        for callers in concurrency:
            # The emulator takes seconds for some thousand.
            count = max(callers, min(calls, 32) if backend == "spanner" else calls)
            for name in OPERATIONS:
                progress.show(f"{name}, {callers} callers")
                costs.append(await _count(counter, workload, name, callers, count))
    return costs


async def _count(counter: Counter, workload: Workload, name: str, concurrency: int, count: int) -> Cost:
    operation = OPERATIONS[name]
    peer = next(peer for peer in PEERS.values() if (peer.kind, peer.backend) == ("ours", counter.backend))
    async with counter.open() as store:
        contender = Contender(peer, store, workload, Settings())
        await contender.reset()
        calls = operation.plan(workload, count)
        if operation.before:
            await contender.run(operation.before, calls, peer.loaders)
    start = await counter.read()
    async with counter.open() as store:
        contender = Contender(peer, store, workload, Settings())
        await contender.run(set_value, [], concurrency)
    before = await counter.read()
    async with counter.open() as store:
        contender = Contender(peer, store, workload, Settings())
        started = process_time()
        await contender.run(operation.call, calls, concurrency)
        cpu = process_time() - started
    after = await counter.read()
    async with counter.open() as store:
        contender = Contender(peer, store, workload, Settings())
        await contender.check(operation, calls[-100:])
        if operation.after:
            await contender.run(operation.after, calls, peer.loaders)
    counts = {name: (after[name] - 2 * before[name] + start[name]) / count for name in after}
    return Cost(counter.backend, name, concurrency, count, counts, cpu / count * 1e6)
