"""Writes, and the syncs that the database has made for them."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import psutil

from litestar_sqlstores import ConfigurationError, create_store
from proofs.databases import Database
from proofs.durability.syncs import traced
from proofs.durability.writer import write
from proofs.proof import Trials
from proofs.workers import Worker, workers

__all__ = ("prove",)

ALONE, TOGETHER = 1000, 50


def prove(trials: Trials) -> None:
    """With full durability, a sync ends between the start of each write and its answer."""
    with trials.server() as database, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_create_table(database))
        synced, written = _watch(trials, database, {}, folder)
        trials.note(f"full: {synced:,} of {written:,} writes synced before they were answered")
        trials.passed(synced)
        for _ in range(written - synced):
            trials.failed("a write was answered before a sync")
        try:
            create_store(database.url, durability="relaxed")
        except ConfigurationError:
            trials.note("relaxed: refused, as the server decides")
            return
        synced, written = _watch(trials, database, {"durability": "relaxed"}, folder)
        trials.note(f"relaxed: {synced:,} of {written:,} writes happened to be synced before they were answered")
        trials.check(synced < written / 2, "relaxed durability syncs most writes: it gains nothing")


async def _create_table(database: Database) -> None:
    async with create_store(database.url) as store:
        await store.create_table()


def _watch(trials: Trials, database: Database, options: dict[str, Any], folder: Path) -> tuple[int, int]:
    """How many writes were synced, of how many."""
    plan = database.url, {"timeout": 60.0, **options}, trials.budget.of(ALONE), trials.budget.of(TOGETHER)
    with workers(write, [plan]) as (writer,):
        writer.receive(60)
        with traced(_who_syncs(database, writer), folder) as syncs:
            writer.pipe.send("begin")
            written = writer.receive(trials.budget.seconds)
    return sum(syncs.within(start, end) for start, end in written), len(written)


def _who_syncs(database: Database, writer: Worker) -> list[int]:
    if not database.has_server:
        return [writer.process.pid or 0]
    server = psutil.Process(database.server.pid)
    return [server.pid, *(child.pid for child in server.children(recursive=True))]
