"""A process of callers."""

import asyncio
import time
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from litestar_sqlstores import create_store
from proofs.histories.callers import Caller

__all__ = ("CALLERS", "run_callers")

CALLERS = 8


def run_callers(pipe: Connection, url: str, options: dict[str, Any], plan: tuple[int, int, int, float]) -> None:
    """Call until so many calls were made; sends them, and for how long closing took.

    Args:
        pipe: Where to send them.
        url: The database.
        options: Of the store.
        plan: The number of this process, the seed, how many calls, and for how many seconds at most.
    """
    pipe.send(asyncio.run(_run(url, options, plan)))


async def _run(url: str, options: dict[str, Any], plan: tuple[int, int, int, float]) -> Any:
    process, seed, count, seconds = plan
    store = create_store(url, **options)
    deadline = time.monotonic() + seconds
    callers = [
        Caller(store, process, process * CALLERS + number, Random(f"{seed} {process} {number}"))
        for number in range(CALLERS)
    ]

    async def work(caller: Caller) -> None:
        while len(caller.calls) < count / CALLERS and time.monotonic() < deadline:
            await caller.call()

    await asyncio.gather(*map(work, callers))
    try:
        await asyncio.wait_for(store.aclose(), options["timeout"] + 1)
        closed = True
    except TimeoutError:
        closed = False
    return [call for caller in callers for call in caller.calls], closed
