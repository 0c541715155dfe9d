"""Callers that never rest, and know what was acknowledged."""

import asyncio
import time
from typing import Any, Self

from litestar_sqlstores import BaseSQLSpecStore, StoreError, create_store
from proofs.proof import Trials

__all__ = ("Callers",)

CALLERS = 64


class Callers:
    """Each writes ever higher numbers under a key of its own.

    Args:
        store: What to write to.
    """

    def __init__(self, store: BaseSQLSpecStore[Any]) -> None:
        self._store = store
        self.begun = [0] * CALLERS
        self.acknowledged = [0] * CALLERS
        self.strange: set[str] = set()
        """Errors that are none of the store's."""

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.ensure_future(self._work(number)) for number in range(CALLERS)]
        await self.progress(30)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, caller: int) -> None:
        while True:
            number = self.begun[caller] + 1
            self.begun[caller] = number
            try:
                await self._store.set(f"caller {caller}", str(number))
                self.acknowledged[caller] = number
            except StoreError:
                await asyncio.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - reported as a failure
                self.strange.add(repr(error))
                await asyncio.sleep(0.02)

    async def progress(self, seconds: float) -> float:
        """Wait until each caller has written again; how many seconds that took, infinity if it takes too long."""
        start = time.monotonic()
        before = self.acknowledged.copy()
        for _ in range(round(seconds / 0.02)):
            if all(now > then for now, then in zip(self.acknowledged, before, strict=True)):
                return time.monotonic() - start
            await asyncio.sleep(0.02)
        return float("inf")

    async def look(self, trials: Trials, url: str, where: str) -> None:
        """See whether what was acknowledged is there, when all have stopped."""
        async with create_store(url) as store:
            found = await store.get_many([f"caller {number}" for number in range(CALLERS)])
        for caller, (done, last) in enumerate(zip(self.acknowledged, self.begun, strict=True)):
            value = int(found.get(f"caller {caller}", 0))
            trials.check(done <= value <= last, f"{where}: {value} is there, {done} acknowledged, {last} begun")
        trials.check(not self.strange, f"{where}: callers saw {sorted(self.strange)[:3]}")
