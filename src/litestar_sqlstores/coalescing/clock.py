"""Time that goes on where a test has stopped the clock.

Libraries such as freezegun replace ``time.monotonic``, which asyncio's event loops live by: their timers then never
fire, or all at once. A store's timeouts are about the real world, so they are measured and kept without it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

__all__ = ("Clock", "Timer")

MAX_DEVIATION = 1.0
"""Seconds by which the clock of an event loop may differ from the real one before it counts as replaced."""

# What `time.monotonic` shows: on macOS, the first of them. Windows has neither.
_CLOCK = getattr(time, "CLOCK_UPTIME_RAW", getattr(time, "CLOCK_MONOTONIC", None))
# Nobody replaces `clock_gettime`.
_monotonic: Callable[[], float] = time.monotonic if _CLOCK is None else partial(time.clock_gettime, _CLOCK)


class Timer(Protocol):
    """What will be called at a time."""

    def cancel(self) -> None:
        """Do not call it."""


class Clock:
    """The time of an event loop.

    Args:
        loop: The event loop.
    """

    __slots__ = ("_loop", "_replaceable", "context", "now")

    now: Callable[[], float]
    """Seconds since some moment in the past."""
    context: contextvars.Context
    """What timers and callbacks run in: they outlive the request that causes them, and must not keep it alive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Others have a clock of their own: uvloop that of the system, and the event loops of some tests one that jumps.
        self._replaceable = getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time
        self.now = _monotonic if self._replaceable else loop.time
        self.context = contextvars.Context()

    def is_stopped(self) -> bool:
        """Whether somebody has replaced the clock that the event loop lives by."""
        return self._replaceable and abs(self._loop.time() - _monotonic()) > MAX_DEVIATION

    def call_later(self, seconds: float, callback: Callable[..., object], *arguments: Any) -> Timer:
        """Call ``callback`` in the event loop after some seconds."""
        if not self.is_stopped():
            return self._loop.call_later(seconds, callback, *arguments, context=self.context)
        timer = threading.Timer(seconds, self._call_soon, (callback, *arguments))
        timer.daemon = True
        timer.start()
        return timer

    def _call_soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        # An event loop that was closed has no calls to time.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(partial(callback, *arguments), context=self.context)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if not self.is_stopped():
            await asyncio.sleep(seconds)
            return
        waiter = self._loop.create_future()
        timer = self.call_later(seconds, _end, waiter)
        try:
            await waiter
        finally:
            timer.cancel()


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
