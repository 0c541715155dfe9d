"""A process that writes, and notes when each write began and was answered."""

import asyncio
import time
from multiprocessing.connection import Connection
from typing import Any

from litestar_sqlstores import create_store

__all__ = ("write",)

CALLERS = 32


def write(pipe: Connection, url: str, options: dict[str, Any], alone: int, together: int) -> None:
    """Write, one call after another and then many at a time.

    Args:
        pipe: Says when it is ready, is told to begin, and is sent a (start, end) for each write.
        url: The database.
        options: Of the store.
        alone: How many writes one caller makes.
        together: How many writes each of many callers makes.
    """
    asyncio.run(_write(pipe, url, options, alone, together))


async def _write(pipe: Connection, url: str, options: dict[str, Any], alone: int, together: int) -> None:
    async with create_store(url, **options) as store:
        await store.set("ready", "1")
        pipe.send("ready")
        await asyncio.to_thread(pipe.recv)
        written: list[tuple[float, float]] = []

        async def work(caller: int, count: int) -> None:
            for number in range(count):
                start = time.time()  # the clock that strace has, too
                await store.set(f"caller {caller}", f"{number} of {count}", 1000)
                written.append((start, time.time()))

        await work(0, alone)
        await asyncio.gather(*(work(caller, together) for caller in range(CALLERS)))
        pipe.send(written)
