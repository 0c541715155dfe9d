"""Processes that write and keep the score."""

import asyncio
import os
from multiprocessing.connection import Connection
from pathlib import Path

from litestar_sqlstores import StoreError, create_store
from proofs.crashes.board import Board

__all__ = ("CALLERS", "PROCESSES", "key", "write")

PROCESSES, CALLERS = 3, 22
PAUSE = 0.005


def key(caller: int) -> str:
    return f"caller {caller}"


def write(pipe: Connection, url: str, board_path: Path, process: int) -> None:
    """Write ever higher numbers until the pipe is closed; each caller under a key of its own."""
    asyncio.run(_write(pipe, url, Board(board_path, PROCESSES * CALLERS), process))
    os._exit(0)


async def _write(pipe: Connection, url: str, board: Board, process: int) -> None:
    store = create_store(url, timeout=2.0)

    async def work(caller: int) -> None:
        number = max(board.begun()[caller], board.acknowledged()[caller])
        while True:
            number += 1
            board.begin(caller, number)
            try:
                # Every third write goes by way of a replacement, every fifth deletes first.
                if number % 5 == 0:
                    await store.delete(key(caller))
                if number % 3 or not await store.replace(key(caller), str(number)):
                    await store.set(key(caller), str(number))
                board.acknowledge(caller, number)
            except StoreError:
                await asyncio.sleep(0.02)

    tasks = [asyncio.ensure_future(work(process * CALLERS + number)) for number in range(CALLERS)]
    try:
        while not await asyncio.to_thread(pipe.poll, 0.2):
            assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
