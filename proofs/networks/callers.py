"""Callers that watch how long calls take and whose answers they get."""

import asyncio
import itertools
from typing import Any

from litestar_sqlstores import BaseSQLSpecStore, StoreError
from proofs.proof import Trials

__all__ = ("Callers",)

CALLERS = 16
PATIENCE = 5.0
"""Seconds after which a call that should have ended long ago is given up."""


class Callers:
    """Each has a key of its own, whose values begin with it.

    Args:
        store: What to call.
        trials: What counts the calls.
        where: What is wrong with the network, for descriptions.
    """

    def __init__(self, store: BaseSQLSpecStore[Any], trials: Trials, where: str) -> None:
        self._store = store
        self._trials = trials
        self._where = where
        self._limit = store.settings.timeout + 1
        self._tasks: list[asyncio.Task[None]] = []
        self.longest = 0.0

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._work(f"caller {number}:")) for number in range(CALLERS)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _work(self, key: str) -> None:
        for number in itertools.count():
            if await self.call(self._store.set(key, f"{key}{number}", 100)):
                await self.call(self._store.get(key, renew_for=100), key)
            await asyncio.sleep(0.01)

    async def call(self, call: Any, prefix: str | None = None) -> bool:
        """Whether a call was answered."""
        clock = asyncio.get_running_loop().time
        start = clock()
        problem = ""
        answered = False
        try:
            async with asyncio.timeout(self._limit + PATIENCE):
                answer = await call
            answered = True
            if prefix is not None and not (answer or b"").startswith(prefix.encode()):
                problem = f"{prefix} got {answer!r}"
        except StoreError:
            pass
        except TimeoutError:
            problem = "a call never ended"
        except Exception as error:  # noqa: BLE001 - no caller should see it
            problem = f"a call raised {error!r}"
        took = clock() - start
        self.longest = max(self.longest, took)
        if not problem and took > self._limit:
            problem = f"a call took {took:.1f} s"
        self._trials.check(not problem, f"{self._where}: {problem}")
        return answered
