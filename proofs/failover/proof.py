"""Failovers under 64 callers."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from litestar_sqlstores import create_store
from proofs.failover.callers import Callers
from proofs.failover.mysql import Moving, open_moving
from proofs.failover.postgresql import open_pair
from proofs.proof import Trials
from proofs.proxy import Proxy

__all__ = ("prove",)

ROUNDS = 6
WITHIN = 15.0
"""Seconds after the new server takes writes in which each caller has written again."""
TIMEOUT = 3.0


class Servers(Protocol):
    """What fails over."""

    @property
    def url(self) -> str: ...

    async def kill(self) -> None: ...
    async def switch_over(self) -> None: ...


def prove(trials: Trials) -> None:
    """Crash and switch over in turns."""
    for number in range(trials.budget.of(ROUNDS)):
        if trials.left < 0:
            break
        kind = "switch-over" if number % 2 else "crash"
        if trials.database == "postgresql":
            with open_pair() as pair:
                asyncio.run(_fail_over(trials, pair, kind, partial(getattr, pair, "standby_url")))
        else:
            asyncio.run(_prove_moving(trials, kind))


async def _prove_moving(trials: Trials, kind: str) -> None:
    with open_moving(trials.database) as database:
        async with Proxy(database.server.port) as proxy:
            moving = Moving(database, proxy)
            await _fail_over(trials, moving, kind, lambda: moving.direct_url)


async def _fail_over(trials: Trials, servers: Servers, kind: str, new_url: Callable[[], str]) -> None:
    store = create_store(servers.url, timeout=TIMEOUT)
    await store.create_table()
    async with Callers(store) as callers:
        await asyncio.sleep(trials.random.uniform(0.5, 1.5))
        await (servers.kill() if kind == "crash" else servers.switch_over())
        took = await callers.progress(WITHIN)
        trials.check(took < WITHIN, f"{kind}: not every caller has written within {WITHIN:.0f} s")
        trials.note(f"{kind}: each of 64 callers has written again {took:.1f} s after the new server was there")
    await callers.look(trials, new_url(), kind)
    try:
        async with asyncio.timeout(TIMEOUT + 1):
            await store.aclose()
    except TimeoutError:
        trials.failed(f"{kind}: aclose() did not end")
