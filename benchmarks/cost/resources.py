"""What a store takes of the machine: memory of an idle one and over many calls, and what a million rows take."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pymysql

from benchmarks.contender import Contender, Settings
from benchmarks.opening import Table, fill_table
from benchmarks.operations import OPERATIONS, store_what_will_be_deleted
from benchmarks.peers import PEERS, Backend
from benchmarks.progress import Progress
from benchmarks.servers import Servers
from benchmarks.workload import Workload
from litestar_sqlstores import create_store

__all__ = ("Resources", "measure_resources")

_IDLE_STORES = 50
_LINGER = 0.2
"""Seconds after which a store has given its connection back."""
_SAMPLES = 10
_CHUNKS = 10
"""How many plans of calls are made from one sample to the next, as plans take memory too."""
_CALLERS = 64


@dataclass(slots=True)
class Resources:
    """What our store on one database takes."""

    backend: Backend
    idle_store: int
    """Bytes that a store has allocated which was used and is idle; without the driver's connections."""
    calls: int
    """How many calls were made while memory was watched."""
    resident: list[float]
    """Mebibytes of this process, from time to time during these calls."""
    row: float | None = None
    """Bytes of disk that a session of 512 bytes takes, with its indexes."""


async def measure_resources(
    backends: Sequence[Backend], calls: int, rows: int, servers: Servers, progress: Progress
) -> list[Resources]:
    """Measure them.

    Args:
        backends: On which databases.
        calls: How many calls to make while memory is watched.
        rows: How many rows to fill a table with.
        servers: Where the databases are.
        progress: Who is told.
    """
    found = []
    for backend in backends:
        progress.title(f"what a store on {backend} takes")
        progress.show("memory")
        resident = await _resident(backend, calls, servers)
        found.append(Resources(backend, await _idle_store(backend, servers), calls, resident))
        progress.show("disk")
        found[-1].row = await _row(backend, rows, servers)
    return found


async def _idle_store(backend: Backend, servers: Servers) -> int:
    """What another store on the same config allocates, once it has had a call and gave its connection back."""
    url = servers.new_database(backend)
    async with create_store(url) as first, AsyncExitStack() as stack:
        await first.create_table()
        tracemalloc.start()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(_IDLE_STORES):
            store = await stack.enter_async_context(create_store(first.config, namespace=f"n{number}"))
            await store.get("key")
        await asyncio.sleep(_LINGER)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) // _IDLE_STORES


async def _resident(backend: Backend, calls: int, servers: Servers) -> list[float]:
    peer = next(peer for peer in PEERS.values() if (peer.kind, peer.backend) == ("ours", backend))
    mixed = OPERATIONS["mixed"]
    samples = []
    async with peer.open(servers.new_database(backend)) as store:
        contender = Contender(peer, store, Workload(10_000, 512), Settings())
        await contender.reset()
        for _ in range(_SAMPLES):
            for _ in range(_CHUNKS):
                planned = mixed.plan(contender.workload, calls // (_SAMPLES * _CHUNKS))
                await contender.run(store_what_will_be_deleted, planned, _CALLERS)
                await contender.run(mixed.call, planned, _CALLERS)
            planned = []
            gc.collect()
            samples.append(round(psutil.Process().memory_info().rss / 2**20, 1))
    return samples


async def _row(backend: Backend, rows: int, servers: Servers) -> float | None:
    peer = next(peer for peer in PEERS.values() if (peer.kind, peer.backend) == ("ours", backend))
    if peer.fill is None:
        return None
    url = servers.new_database(backend)
    await fill_table(peer, url, Table(512, rows), Settings(hot=1))
    return await asyncio.to_thread(_SIZE[backend], url) / rows


def _postgresql_size(url: str) -> int:
    async def size() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval("SELECT pg_total_relation_size('litestar_session')"))
        finally:
            await connection.close()

    return asyncio.run(size())


def _sqlite_size(url: str) -> int:
    return Path(url.removeprefix("sqlite:///")).stat().st_size


def _mariadb_size(url: str) -> int:
    parts = urlsplit(url)
    connection = pymysql.connect(host=parts.hostname, port=parts.port or 3306, user=parts.username)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = %s", parts.path[1:]
        )
        ((size,),) = cursor.fetchall()
    return int(size)


_SIZE: dict[Backend, Callable[[str], int]] = {
    "postgresql": _postgresql_size,
    "sqlite": _sqlite_size,
    "mariadb": _mariadb_size,
}
