"""Event loops that run in threads of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Self, TypeVar

__all__ = ("PATIENCE", "LoopThread", "in_thread", "until")

T = TypeVar("T")

PATIENCE = 30
"""Seconds in which everything has happened, however busy the machine is."""


def in_thread(make: Callable[[], T]) -> Future[T]:
    """Call a function in a thread of its own."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(make())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def until(happened: Callable[[], object]) -> None:
    """Wait until ``happened`` gives something true."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it never happens"
        time.sleep(0.005)


class LoopThread:
    """An event loop that runs in a thread, until it is left as ``asyncio.run`` leaves one."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._stop = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread = in_thread(lambda: asyncio.run(self._main()))
        assert self._started.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.result(PATIENCE)
        assert self.loop.is_closed()

    def call(self, make: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Await something in it; the answer."""
        return self.start(make, *arguments).result(PATIENCE)

    def start(self, make: Callable[..., Awaitable[T]], *arguments: Any) -> Future[T]:
        """Await something in it; the future of the answer."""

        async def run() -> T:
            return await make(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self.loop)

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._started.set()
        await self._stop.wait()
