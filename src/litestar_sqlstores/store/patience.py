"""Waits for calls, but not for ever, with one timer for all of them.

``asyncio.timeout`` starts a timer for each call. What every request to a cached route waits for ends long before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

__all__ = ("Patience",)

ResultT = TypeVar("ResultT")


class _Waiting:
    __slots__ = ("late", "task", "until")

    def __init__(self, task: asyncio.Task[object], until: float) -> None:
        self.task = task
        self.until = until
        self.late = False


class _Watch:
    """The calls of one event loop that are waited for, the oldest first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.calls: dict[_Waiting, None] = {}
        self.running = False

    def start(self, seconds: float) -> None:
        """Look after some seconds whether the oldest call is late."""
        self.running = True
        self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self.running = False
        now = self.loop.time()
        for waiting in self.calls:
            if waiting.late:
                continue
            if waiting.until > now:
                self.start(waiting.until - now)
                return
            waiting.late = True
            waiting.task.cancel()


class Patience:
    """How long calls are waited for.

    Args:
        seconds: How long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watch: _Watch | None = None

    async def wait(self, call: Awaitable[ResultT]) -> ResultT:
        """Wait for a call.

        Raises:
            TimeoutError: It took longer. The call was cancelled.
        """
        task = cast("asyncio.Task[object]", asyncio.current_task())
        loop = task.get_loop()
        watch = self._watch
        if watch is None or watch.loop is not loop:
            # What waits in another event loop is watched by the timer that runs there.
            watch = self._watch = _Watch(loop)
        before = task.cancelling()
        waiting = _Waiting(task, loop.time() + self._seconds)
        watch.calls[waiting] = None
        if not watch.running:
            watch.start(self._seconds)
        try:
            return await call
        except asyncio.CancelledError:
            if waiting.late and task.uncancel() <= before:
                raise TimeoutError from None
            raise
        finally:
            del watch.calls[waiting]
