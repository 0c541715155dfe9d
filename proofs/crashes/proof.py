"""Something is killed, and what was acknowledged is looked for."""

import asyncio
import signal
import tempfile
import time
from pathlib import Path

from litestar_sqlstores import StoreError, create_store
from proofs.crashes.board import Board
from proofs.crashes.writers import CALLERS, PROCESSES, key, write
from proofs.databases import Database
from proofs.proof import Trials
from proofs.workers import Worker, start_worker

__all__ = ("prove",)

ROUNDS = 14
START, RECOVERY = 60.0, 30.0
"""Seconds in which processes have started on a busy machine, and in which callers write again."""


def prove(trials: Trials) -> None:
    """Fourteen times, kill the server, or a process where there is no server."""
    with trials.server() as database, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "board")
        asyncio.run(_create_table(database))
        board = Board(path, PROCESSES * CALLERS)
        workers = [start_worker(write, database.url, path, number) for number in range(PROCESSES)]
        try:
            for worker in workers:
                worker.wait_until_ready()
            _wait_for_progress(board, START)
            rounds = 0
            for _ in range(trials.budget.of(ROUNDS)):
                if trials.left < 0:
                    break
                _wait_for_progress(board, RECOVERY)
                time.sleep(trials.random.uniform(0.2, 1.2))
                _kill(trials, database, workers, path)
                asyncio.run(_look(trials, database, board))
                rounds += 1
            trials.note(f"{rounds} kills, {sum(board.acknowledged()):,} writes acknowledged")
        finally:
            for worker in workers:
                worker.end()


async def _create_table(database: Database) -> None:
    async with create_store(database.url) as store:
        await store.create_table()


def _wait_for_progress(board: Board, seconds: float) -> None:
    """Until each caller has written again: the store works again after a crash."""
    before = board.acknowledged()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(now > then for now, then in zip(board.acknowledged(), before, strict=True)):
            return
        time.sleep(0.02)
    msg = f"not every caller has written within {seconds:.0f} s"
    raise TimeoutError(msg)


def _kill(trials: Trials, database: Database, workers: list[Worker], path: Path) -> None:
    if database.has_server:
        database.server.kill()
        database.server.start()
        return
    number = trials.random.randrange(PROCESSES)
    workers[number].signal(signal.SIGKILL)
    workers[number].end()
    workers[number] = start_worker(write, database.url, path, number)
    workers[number].wait_until_ready()


async def _look(trials: Trials, database: Database, board: Board) -> None:
    """What is there is what was acknowledged last, or what was begun after it."""
    acknowledged = board.acknowledged()
    callers = range(PROCESSES * CALLERS)
    async with create_store(database.url) as store:
        while True:
            try:
                found = await store.get_many(map(key, callers))
                break
            except StoreError:  # it takes connections, but is not yet there
                if trials.left < 0:
                    raise
                await asyncio.sleep(0.05)
    begun = board.begun()
    for caller, (done, last) in enumerate(zip(acknowledged, begun, strict=True)):
        value = int(found.get(key(caller), 0))
        # Before every fifth number, a caller deletes its key.
        deleted = key(caller) not in found and (done == 0 or _deletes(done, last))
        holds = deleted or done <= value <= last
        trials.check(holds, f"{key(caller)} has {value}: {done} was acknowledged, {last} begun")


def _deletes(acknowledged: int, begun: int) -> bool:
    """Whether a caller may be deleting: one of the numbers that it has begun and not finished is a fifth."""
    return any(number % 5 == 0 for number in range(acknowledged + 1, begun + 1))
