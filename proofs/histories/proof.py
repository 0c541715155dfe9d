"""Three processes of eight callers on hot keys, while connections, replies and locks go wrong."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress

from litestar_sqlstores import create_store
from proofs.databases import Database
from proofs.histories.disturbances import Disturbances
from proofs.histories.process import run_callers
from proofs.linearizability import Call, Verdict, check
from proofs.proof import Trials
from proofs.proxy import Proxy
from proofs.workers import workers

__all__ = ("prove",)

OPERATIONS = 100_000
PROCESSES = 3
OPTIONS = {"timeout": 2.0}


def prove(trials: Trials) -> None:
    """Record a history of calls, and look for an order of the calls on each key."""
    with trials.server() as database:
        calls = asyncio.run(_record(trials, database))
    results = list(check(calls))
    trials.passed(len(calls) - len(results))
    for result in results:
        trials.failed(result.describe())
    undecided = sum(result.verdict is Verdict.UNDECIDED for result in results)
    keys, unknown = len({call.key for call in calls}), sum(not call.is_known for call in calls)
    trials.note(f"{keys:,} keys, {unknown:,} calls of unknown outcome, {undecided} keys undecided")


async def _record(trials: Trials, database: Database) -> list[Call]:
    async with create_store(database.url) as store, AsyncExitStack() as stack:
        await store.create_table()
        proxy = await stack.enter_async_context(Proxy(database.server.port)) if database.has_server else None
        url = database.through(proxy.port) if proxy else database.url
        count, seconds = trials.budget.of(OPERATIONS) // PROCESSES, trials.left * 0.8
        plans = [(url, OPTIONS, (number, trials.seed, count, seconds)) for number in range(PROCESSES)]
        with workers(run_callers, plans) as started:
            disturbances = Disturbances(database, proxy, started, trials.random)
            task = asyncio.ensure_future(disturbances.run())
            try:
                answers = [await asyncio.to_thread(worker.receive, seconds + 90) for worker in started]
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        trials.note(", ".join(f"{count} x {name}" for name, count in sorted(disturbances.made.items())))
        for _, problems in answers:
            for problem in problems:
                trials.failed(problem)
        calls = [call for made, _ in answers for call in made]
        return [*calls, *await _read_all(store, {call.key for call in calls})]


async def _read_all(store: object, keys: set[str]) -> list[Call]:
    """What is there in the end."""
    ordered = sorted(keys)
    start = time.monotonic()
    found = await store.get_many(ordered)  # type: ignore[attr-defined]
    end = time.monotonic()
    return [Call("get", key, start, end, found.get(key), process=PROCESSES, reported=end) for key in ordered]
