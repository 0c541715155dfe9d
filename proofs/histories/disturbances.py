"""What goes wrong while callers call."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from litestar_sqlstores import create_store
from proofs.databases import Database
from proofs.histories.callers import hot_keys, slow_keys
from proofs.proxy import Proxy
from proofs.workers import Worker

__all__ = ("Disturbances",)


class Disturbances:
    """Makes something go wrong every now and then.

    Args:
        database: The database.
        proxy: What the callers reach it through, None if they do not.
        workers: The processes of the callers.
        random: What goes wrong, and when.
    """

    def __init__(self, database: Database, proxy: Proxy | None, workers: Sequence[Worker], random: Random) -> None:
        self._database = database
        self._proxy = proxy
        self._workers = workers
        self._random = random
        self._digest = create_store(database.url).digest
        self.made: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled."""
        kinds: list[Callable[[], Awaitable[None]]] = [self.foreign_lock, self.paused_process]
        if self._proxy is not None:
            kinds += [self.killed_connections, self.lost_replies, self.reset_connections, self.slow_network]
        try:
            while True:
                await asyncio.sleep(self._random.uniform(0.02, 0.5))
                kind = self._random.choice(kinds)
                await kind()
                self.made[kind.__name__.replace("_", " ")] += 1
        finally:
            for worker in self._workers:
                worker.signal(signal.SIGCONT)

    async def foreign_lock(self) -> None:
        keys = self._random.choice([hot_keys, slow_keys])(time.monotonic())
        # Now and then for longer than calls wait.
        seconds = self._random.choice([0.02, 0.1, 0.1, 0.3, 0.3, 3.0])
        async with self._database.locked(self._digest(self._random.choice(keys))):
            await asyncio.sleep(seconds)

    async def paused_process(self) -> None:
        worker = self._random.choice(self._workers)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.uniform(0.02, 0.3))
        worker.signal(signal.SIGCONT)

    async def killed_connections(self) -> None:
        await self._database.kill_connections(self._random, self._random.choice([0.2, 1.0]))

    async def lost_replies(self) -> None:
        assert self._proxy is not None
        self._proxy.mode = self._random.choice(["lose replies", "cut replies"])
        await asyncio.sleep(self._random.uniform(0, 0.02))
        self._proxy.mode = "pass"

    async def reset_connections(self) -> None:
        assert self._proxy is not None
        self._proxy.reset(self._random, self._random.choice([0.3, 1.0]))

    async def slow_network(self) -> None:
        assert self._proxy is not None
        self._proxy.delay = self._random.uniform(0.001, 0.05)
        await asyncio.sleep(self._random.uniform(0.05, 0.3))
        self._proxy.delay = 0.0
