"""One network after another: each fault in each phase of a connection's life."""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import psutil

from litestar_sqlstores import BaseSQLSpecStore, StoreError, create_store
from proofs.databases import Database
from proofs.networks.callers import Callers
from proofs.networks.faults import FAULTS, PHASES, Phase
from proofs.proof import Trials
from proofs.proxy import Proxy

__all__ = ("prove",)

TIMEOUT = 1.0
FAULT_SECONDS = 1.5
HEALED_WITHIN = 5.0
LEFT_WITHIN = 3.0
"""Seconds in which the server and the kernel have noticed what was closed."""


def prove(trials: Trials) -> None:
    """Every fault in every phase, each with a new store."""
    cases = list(itertools.product(PHASES, FAULTS))
    trials.random.shuffle(cases)
    with trials.server() as database:
        asyncio.run(_create_table(database))
        done = 0
        for phase, fault in cases[: trials.budget.of(len(cases))]:
            if trials.left < 0:
                break
            asyncio.run(_Network(trials, database, phase, fault).run())
            done += 1
        trials.note(f"{done} of {len(cases)} networks")


async def _create_table(database: Database) -> None:
    async with create_store(database.url) as store:
        await store.create_table()


class _Network:
    def __init__(self, trials: Trials, database: Database, phase: Phase, fault: str) -> None:
        self._trials = trials
        self._database = database
        self._phase = phase
        self._fault = FAULTS[fault]
        self._where = f"{phase}, {fault}"

    def _check(self, holds: bool, problem: str) -> None:
        self._trials.check(holds, f"{self._where}: {problem}")

    async def run(self) -> None:
        process = psutil.Process()
        descriptors, tasks = process.num_fds(), len(asyncio.all_tasks())
        async with Proxy(self._database.server.port) as proxy:
            store = create_store(self._database.through(proxy.port), timeout=TIMEOUT)
            callers = Callers(store, self._trials, self._where)
            await self._suffer(proxy, store, callers)
            await self._close(store)
            await self._gone(lambda: proxy.links, "connections")
        await self._gone(lambda: len(asyncio.all_tasks()) - tasks, "tasks")
        await self._gone(lambda: process.num_fds() - descriptors, "descriptors")

    async def _suffer(self, proxy: Proxy, store: BaseSQLSpecStore[Any], callers: Callers) -> None:
        if self._phase == "connect":
            async with self._fault(proxy):
                callers.start()
                await asyncio.sleep(FAULT_SECONDS)
        else:
            callers.start()
            await asyncio.sleep(0.3)
            if self._phase != "statement":
                await callers.stop()  # what is under way ends, then the connections are given back
            async with self._fault(proxy):
                if self._phase == "close":
                    await self._close(store)
                    return
                await asyncio.sleep(FAULT_SECONDS)
        await self._heal(store)
        await callers.stop()

    async def _heal(self, store: BaseSQLSpecStore[Any]) -> None:
        """The store works again soon."""
        healed = time.monotonic()
        problem: str | None = "it never works again"
        while time.monotonic() < healed + HEALED_WITHIN + TIMEOUT + 1:
            try:
                async with asyncio.timeout(HEALED_WITHIN + TIMEOUT + 1):
                    await store.set("probe", b"probe", 100)
                problem = None
                break
            except (StoreError, TimeoutError):
                await asyncio.sleep(0.05)
        took = time.monotonic() - healed
        if problem is None and took > HEALED_WITHIN:
            problem = f"it works again after {took:.1f} s"
        self._check(problem is None, problem or "")

    async def _close(self, store: BaseSQLSpecStore[Any]) -> None:
        """It closes within its timeout and two seconds."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT + 10):
                await store.aclose()
        except TimeoutError:
            self._check(False, "aclose() hangs")
            return
        except Exception as error:  # noqa: BLE001 - closing is for cleaning up: it must not fail
            self._check(False, f"aclose() raised {error!r}")
            return
        took = time.monotonic() - start
        self._check(took <= TIMEOUT + 2, f"aclose() took {took:.1f} s")

    async def _gone(self, count: Callable[[], int], what: str) -> None:
        for _ in range(round(LEFT_WITHIN / 0.05)):
            if count() <= 0:
                break
            await asyncio.sleep(0.05)
        self._check(count() <= 0, f"{count()} {what} left")
