"""Galera, three nodes: one of them takes the writes, behind an address that moves."""

import asyncio

from litestar_sqlstores import StoreError, create_store
from proofs.failover.callers import Callers
from proofs.failover.cluster import Cluster, open_cluster
from proofs.proof import Trials
from proofs.proxy import Proxy

__all__ = ("prove_galera",)

WITHIN = 15.0
TIMEOUT = 3.0
ROUNDS, CALLERS, INCREMENTS = 20, 16, 30


def prove_galera(trials: Trials) -> None:
    """Kill the writing node; cut it off; then have all nodes write, which loses updates by itself."""
    for kind in ("killed", "partitioned"):
        with open_cluster() as cluster:
            asyncio.run(_one_writing_node(trials, cluster, kind))
    with open_cluster() as cluster:
        asyncio.run(_several_writing_nodes(trials, cluster))


async def _one_writing_node(trials: Trials, cluster: Cluster, kind: str) -> None:
    first, second, _ = cluster.nodes
    async with Proxy(first.port, host=first.address) as proxy:
        url = cluster.url(first).replace(f"{first.address}:{first.port}", f"127.0.0.1:{proxy.port}")
        store = create_store(url, timeout=TIMEOUT)
        await store.create_table()
        async with Callers(store) as callers:
            await asyncio.sleep(1)
            if kind == "killed":
                await asyncio.to_thread(first.kill)
            else:
                await asyncio.to_thread(first.isolate)
                await asyncio.sleep(1)
            await proxy.move(second.port, second.address)
            took = await callers.progress(WITHIN)
            trials.check(took < WITHIN, f"{kind}: not every caller has written within {WITHIN:.0f} s")
            trials.note(f"{kind}: each of 64 callers has written again {took:.1f} s after the address moved")
        await callers.look(trials, cluster.url(second), kind)
        await store.aclose()


async def _several_writing_nodes(trials: Trials, cluster: Cluster) -> None:
    """Measured, and no failure: the documentation says that there must be one writing node."""
    stores = [create_store(cluster.url(node), timeout=10.0) for node in cluster.nodes]
    await stores[0].create_table()
    await asyncio.sleep(1)
    lost = rounds = 0

    async def work(caller: int, key: str) -> int:
        acknowledged = 0
        for _ in range(INCREMENTS):
            try:
                await stores[caller % len(stores)].increment(key)
            except StoreError:
                continue
            acknowledged += 1
        return acknowledged

    for number in range(ROUNDS):
        if trials.left < 20:
            break
        key = f"counter {number}"
        acknowledged = sum(await asyncio.gather(*(work(caller, key) for caller in range(CALLERS * len(stores)))))
        await asyncio.sleep(0.5)
        lost += max(0, acknowledged - int(await stores[0].get(key) or 0))
        rounds += 1
    for store in stores:
        await store.aclose()
    total = rounds * CALLERS * len(stores) * INCREMENTS
    trials.note(f"several writing nodes, which is not supported: {lost:,} of {total:,} acknowledged increments lost")
