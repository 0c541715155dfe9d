"""A coalescer in the event loop that it lives in."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from litestar_sqlstores.coalescing.coalescer import Coalescer

__all__ = ("Stay",)

ConnectionT = TypeVar("ConnectionT")


class Stay(Generic[ConnectionT]):
    """A coalescer in the event loop that it lives in.

    Args:
        coalescer: The coalescer.
        end: Closes what it has in the event loop.

    Attributes:
        loop: The event loop.
        ended: Whether it takes no calls any more.
        left: Whether the event loop goes on without it.
    """

    def __init__(
        self, coalescer: Coalescer[ConnectionT], end: Callable[[Stay[ConnectionT]], Coroutine[Any, Any, None]]
    ) -> None:
        self.coalescer = coalescer
        self.loop = coalescer.loop
        self.ended = False
        self.left = False
        self._end = end
        self._thread: int | None = None
        self._process = os.getpid()
        self._keeper: AsyncGenerator[None, None] | None = None
        self._task: asyncio.Task[None] | None = None

    def settle(self) -> None:
        """Have the event loop, whose thread this is called in, close what there is when it comes to its end."""
        self._thread = threading.get_ident()
        # An event loop closes its generators at its end, when it can still talk to the database.
        self._keeper = self._keep()
        with suppress(StopIteration):
            self._keeper.__anext__().send(None)

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._end(self)

    def is_alive(self) -> bool:
        """Whether the event loop can still do anything; that of another process, before a fork, cannot."""
        return not self.ended and not self.loop.is_closed() and self._process == os.getpid()

    def is_around(self) -> bool:
        """Whether the event loop runs in this very thread."""
        return self._thread == threading.get_ident() and self.loop.is_running()

    def leave(self) -> None:
        """Have the event loop, which goes on, close what there is."""
        self.left = True
        if self.is_alive():
            self.start(self._close_keeper)

    async def close(self) -> None:
        """Close what there is in the event loop, which this is called in."""
        self.left = True
        await self._close_keeper()

    async def _close_keeper(self) -> None:
        if self._keeper is not None:
            await self._keeper.aclose()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the event loop do something, and do not wait for it."""

        def begin() -> None:
            self._task = self.loop.create_task(work())

        # One that was closed does nothing any more.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(begin)
