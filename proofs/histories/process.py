"""A process of callers."""

import asyncio
import io
import time
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from litestar_sqlstores import create_store
from proofs.histories.callers import Caller
from proofs.linearizability import Call

__all__ = ("CALLERS", "run_callers")

CALLERS = 8
PATIENCE = 10.0
"""Seconds after its timeout in which a call must have ended, on a busy machine."""


def run_callers(pipe: Connection, url: str, options: dict[str, Any], plan: tuple[int, int, int, float]) -> None:
    """Call until so many calls were made; sends them, and what went wrong besides.

    Args:
        pipe: Where to send them.
        url: The database.
        options: Of the store.
        plan: The number of this process, the seed, how many calls, and for how many seconds at most.
    """
    asyncio.run(_run(pipe, url, options, plan))


async def _run(pipe: Connection, url: str, options: dict[str, Any], plan: tuple[int, int, int, float]) -> None:
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

    problems: list[str] = []
    await _end(
        problems, "a call", [asyncio.ensure_future(work(each)) for each in callers], seconds + options["timeout"]
    )
    await _end(problems, "aclose()", [asyncio.ensure_future(store.aclose())], options["timeout"] + 2)
    calls: list[Call] = [call for caller in callers for call in caller.calls]
    pipe.send((calls, problems))


async def _end(problems: list[str], what: str, tasks: list["asyncio.Task[None]"], seconds: float) -> None:
    """Wait for tasks; those that do not end are given up, as they may hold out against being cancelled."""
    done, pending = await asyncio.wait(tasks, timeout=seconds + PATIENCE)
    for task in done:
        await task
    for task in pending:
        stack = io.StringIO()
        task.print_stack(file=stack)
        problems.append(f"{what} did not end: {stack.getvalue()[-1500:]}")
        task.cancel()
