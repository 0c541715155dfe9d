"""A long time, many callers, cancelled calls, and a pool that is smaller than what the store would use."""

import asyncio
import gc
import random
from collections import Counter
from typing import Any

import psutil

from litestar_sqlstores import BaseSQLSpecStore, create_store
from proofs.proof import Trials

__all__ = ("prove",)

OPERATIONS, CANCELLED, IN_SMALL_POOLS = 1_000_000, 10_000, 20_000
CALLERS = 512
KEYS = 10_000
GROWTH = 12 * 1024 * 1024
"""Bytes that a process may grow by: allocators keep some of what was freed."""


def prove(trials: Trials) -> None:
    """Call a million times; then cancel calls; then share a small pool."""
    with trials.server() as database:
        asyncio.run(_soak(trials, create_store(database.url, timeout=60.0)))
        for size in (1, 2):
            store = create_store(database.config(size), timeout=60.0)
            asyncio.run(_small_pool(trials, store, f"{IN_SMALL_POOLS:,} calls with a pool of {size}"))


async def _soak(trials: Trials, store: BaseSQLSpecStore[Any]) -> None:
    process = psutil.Process()
    await store.create_table()
    total = trials.budget.of(OPERATIONS)
    await _call(trials, store, total // 4)  # what is made once is made now
    before = _memory(process), process.num_fds(), len(asyncio.all_tasks())
    made = await _call(trials, store, total - total // 4)
    after = _memory(process), process.num_fds(), len(asyncio.all_tasks())
    trials.note(f"{made + total // 4:,} operations of {CALLERS} callers, {(after[0] - before[0]) / 2**20:+.1f} MiB")
    trials.check(after[0] - before[0] <= GROWTH, f"grew by {(after[0] - before[0]) / 2**20:.1f} MiB")
    trials.check(after[1] <= before[1] + 2, f"{after[1] - before[1]} more descriptors")
    await _cancel(trials, store, trials.budget.of(CANCELLED))
    trials.check(process.num_fds() <= before[1] + 2, f"{process.num_fds() - before[1]} more descriptors")
    await store.aclose()
    await asyncio.sleep(0.2)
    left = len(asyncio.all_tasks()) - 1
    trials.check(left == 0, f"{left} tasks left")


def _memory(process: psutil.Process) -> int:
    gc.collect()
    return int(process.memory_info().rss)


async def _call(trials: Trials, store: BaseSQLSpecStore[Any], count: int) -> int:
    """Make so many calls; how many were made before the time was over."""
    numbers = iter(range(count))
    made = 0

    async def work(caller: int) -> None:
        nonlocal made
        choices = random.Random(f"{trials.seed} {caller}")
        for number in numbers:
            if trials.left < trials.budget.seconds * 0.25:
                return
            key = f"key {choices.randrange(KEYS)}"
            kind = choices.random()
            if kind < 0.2:
                await store.set(key, f"{key} {number}" * 8, 1000)
            elif kind < 0.22:
                await store.delete(key)
            else:
                answer = await store.get(key, renew_for=1000 if kind < 0.6 else None)
                if answer is not None and not answer.startswith(key.encode()):
                    trials.failed(f"{key} got {answer[:20]!r}")
            made += 1

    await asyncio.gather(*map(work, range(CALLERS)))
    trials.passed(made)
    return made


async def _cancel(trials: Trials, store: BaseSQLSpecStore[Any], count: int) -> None:
    """Cancel calls at every moment of their lives."""
    outcomes: Counter[str] = Counter()

    async def one(number: int) -> None:
        key = f"key {number % 100}"
        call: Any = store.set(key, f"{key} x", 1000) if number % 2 else store.get(key)
        task = asyncio.ensure_future(call)
        await asyncio.sleep(trials.random.uniform(0, 0.02) if number % 3 else 0)
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        outcomes["cancelled" if isinstance(result, asyncio.CancelledError) else type(result).__name__] += 1

    for start in range(0, count, CALLERS):
        await asyncio.gather(*map(one, range(start, min(start + CALLERS, count))))
    trials.passed(count)
    trials.note(f"{outcomes['cancelled']:,} of {count:,} calls cancelled before their answer")
    odd = set(outcomes) - {"cancelled", "bytes", "NoneType"}
    trials.check(not odd, f"cancelled calls raised {sorted(odd)}")
    await store.set("after", "all")
    trials.check(await store.get("after") == b"all", "the store does not work after cancelled calls")


async def _small_pool(trials: Trials, store: BaseSQLSpecStore[Any], what: str) -> None:
    made = await _call(trials, store, trials.budget.of(IN_SMALL_POOLS))
    await store.aclose()
    await store.config.close_pool()
    trials.note(f"{what}: {made:,} answered")
