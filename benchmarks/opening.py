"""How a peer becomes a contender: its store is opened, and its table filled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.contender import Contender, Settings
from benchmarks.driver import DRIVER_KINDS, DriverContender
from benchmarks.filling import fill
from benchmarks.peers import Peer
from benchmarks.workload import MAX_AGE, Workload, session_key

__all__ = ("Table", "fill_table", "open_contender")


@dataclass(frozen=True, slots=True)
class Table:
    """What a contender's table is like."""

    value_size: int
    """Bytes of a session."""
    rows: int
    processes: int = 1
    """How many processes share it."""

    def suits(self, peer: Peer, hot: int) -> bool:
        """Whether the peer can have such a table: with others, and with more rows than are worth storing one by one."""
        return (peer.shared or self.processes == 1) and (peer.fill is not None or self.rows <= hot)


@asynccontextmanager
async def open_contender(
    peer: Peer, url: str, table: Table, settings: Settings, part: int = 0
) -> AsyncIterator[Contender]:
    """Open the store of a peer, as one of the processes that share its table."""
    workload = Workload(table.rows, table.value_size, settings.hot, part, table.processes)
    contender = DriverContender if peer.kind in DRIVER_KINDS else Contender
    async with peer.open(url) as store:
        yield contender(peer, store, workload, settings, table.value_size)


async def fill_table(peer: Peer, url: str, table: Table, settings: Settings) -> None:
    """Create the table, and fill it as far as the contender does not do so itself."""
    async with peer.open(url) as store:
        if table.rows > settings.hot and peer.fill:
            value = Workload(1, table.value_size).everything()[0].value
            await store.set(session_key(0), value, expires_in=MAX_AGE)
            await fill(url, peer.fill, table.rows)
