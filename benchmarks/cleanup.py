"""How fast expired rows go, and what readers notice of it; on PostgreSQL."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter, perf_counter_ns

import asyncpg
import msgspec

from benchmarks.contender import Contender, Settings
from benchmarks.latency import Latency, histogram
from benchmarks.machine import Machine
from benchmarks.operations import set_value
from benchmarks.peers import PEERS
from benchmarks.progress import Progress
from benchmarks.servers import Servers
from benchmarks.workload import Workload
from litestar_sqlstores import BaseSQLSpecStore

__all__ = ("CleanupReport", "measure_cleanup")

_FILL = """
    INSERT INTO litestar_session (key_digest, namespace, data, expires_at)
    SELECT sha256(n::text::bytea), 'LITESTAR', repeat('x', 512)::bytea, now() - (1 + n % 3600) * interval '1 second'
    FROM generate_series(1, {rows}) AS n
    """
_LIVE = 10_000
_IDLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CleanupReport:
    """One run."""

    started: str
    """UTC, ISO 8601."""
    command: str
    machine: Machine
    servers: dict[str, str]
    rows: int
    """How many had expired."""
    batch_size: int
    pace: int
    """Reads a second beside it, whether they are answered or not."""
    seconds: float
    """How long it took to remove them."""
    idle: Latency
    """Of reads without it."""
    busy: Latency
    """Of reads during it."""

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    def to_markdown(self) -> str:
        """The rate, and the latencies of reads."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"`{self.command}`, {self.started}"
        yield ""
        yield str(self.machine)
        yield ", ".join(f"{name} {version}" for name, version in (self.servers | self.machine.packages).items())
        yield ""
        yield (
            f"delete_expired(batch_size={self.batch_size:,}) removed {self.rows:,} rows in {self.seconds:.1f} s: "
            f"{self.rows / self.seconds:,.0f} rows/s. Beside it, {self.pace:,} reads a second:"
        )
        yield ""
        yield "| reads | p50, ms | p99, ms | p99.9, ms |"
        yield "|---|---:|---:|---:|"
        for name, latency in (("without", self.idle), ("during", self.busy)):
            times = (f"{each / 1000:.2f}" for each in (latency.p50, latency.p99, latency.p999))
            yield f"| {name} | {' | '.join(times)} |"


async def measure_cleanup(
    rows: int, batch_size: int, pace: int, servers: Servers, progress: Progress
) -> tuple[float, Latency, Latency]:
    """Remove expired rows while sessions are read.

    Returns:
        Seconds it took, and the latencies of reads without it and during it.
    """
    peer = PEERS["ours on PostgreSQL"]
    url = peer.place(servers)
    async with peer.open(url) as opened:
        assert isinstance(opened, BaseSQLSpecStore)
        workload = Workload(_LIVE, 512)
        await Contender(peer, opened, workload, Settings()).run(set_value, workload.everything(), peer.loaders)
        progress.title(f"filling a table with {rows:,} expired rows")
        await _prepare(url, rows)
        progress.title("reading")
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(_IDLE_SECONDS, ended.set)
        idle = await _read(opened, workload, pace, ended)
        progress.title("removing")
        ended = asyncio.Event()
        reading = asyncio.create_task(_read(opened, workload, pace, ended))
        started = perf_counter()
        removed = await opened.delete_expired(batch_size)
        seconds = perf_counter() - started
        ended.set()
        busy = await reading
        assert removed == rows, f"{removed} of {rows} rows were removed"
    return seconds, idle, busy


async def _prepare(url: str, rows: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FILL.format(rows=rows))
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _read(store: BaseSQLSpecStore[object], workload: Workload, pace: int, ended: asyncio.Event) -> Latency:
    """Read at a steady pace, so that a slow answer does not make for fewer of them."""
    durations: list[int] = []

    async def read() -> None:
        (call,) = workload.existing(1)
        started = perf_counter_ns()
        assert await store.get(call.key) == call.value
        durations.append(perf_counter_ns() - started)

    async with asyncio.TaskGroup() as readers:
        due = perf_counter()
        while not ended.is_set():
            readers.create_task(read())
            due += 1 / pace
            await asyncio.sleep(max(0.0, due - perf_counter()))
    return Latency.of(histogram(durations))
