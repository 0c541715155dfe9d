"""Calls from any event loop and any thread, which one event loop makes.

A pool of connections belongs to one event loop, and so do the lanes of a coalescer. That is the home of a store: the
event loop that has entered it last, or else the first one that used it. Calls from another event loop, such as that of
a test beside its TestClient or of ``asyncio.run`` in a thread, are made there; the caller only waits for the answer.

When the home has ended, or rests (nobody runs it, as that of a notebook between two cells), the store moves to an event
loop that has entered it, or else to that of the caller. What it leaves behind is closed in the old home: when the store
moves, when the event loop ends with ``asyncio.run`` and the like, or when it runs again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable
from typing import Any, Generic, TypeVar
from weakref import WeakMethod

from litestar_sqlstores.coalescing.coalescer import CLOSED, NOT_MADE, Coalescer, Submit
from litestar_sqlstores.coalescing.limits import Limits
from litestar_sqlstores.coalescing.operations import Connector, Operation
from litestar_sqlstores.coalescing.stay import Stay
from litestar_sqlstores.coalescing.visits import Visit, run_in
from litestar_sqlstores.errors import ClosedError, ConfigurationError, UnavailableError
from litestar_sqlstores.observability import Observer

__all__ = ("Home",)

logger = logging.getLogger("litestar_sqlstores")

ConnectionT = TypeVar("ConnectionT")

CLOSE_SECONDS = 0.5
"""What a pool has to close at least, however long the calls before that have taken."""


class Home(Generic[ConnectionT]):
    """A coalescer that may be called from any event loop.

    Args:
        connector: How to reach the database.
        limits: What to use at most.
        observer: Who is told of each statement.
    """

    def __init__(self, connector: Connector[ConnectionT], limits: Limits, observer: Observer | None = None) -> None:
        self._connector = connector
        self._limits = limits
        self._observer = observer
        self._stay: Stay[ConnectionT] | None = None
        self.submit: Submit = self._submit
        """Takes a call: see :meth:`Coalescer.submit`. It is that of the home, which sends back what is not for it."""
        # The event loops that have opened it and not left yet.
        self._opened: list[asyncio.AbstractEventLoop] = []
        self._closed = False
        self._lock = threading.RLock()

    def __del__(self) -> None:
        # The event loop, which goes on, closes the generator.
        if self._stay is not None:
            self._stay.left = True

    def _submit(
        self, operation: Operation[ConnectionT], key: bytes, argument: Any = None, size: int = 0
    ) -> asyncio.Future[Any]:
        """Take a call from any event loop.

        Raises:
            OverloadedError, ClosedError: As in :meth:`Coalescer.submit`.
            ConfigurationError: The home waits for the running event loop, which this thread runs inside it.
        """
        loop = asyncio.get_running_loop()
        stay = self._find_home(loop)
        if stay.loop is not loop:
            return self._visit(stay, operation, key, argument, size)
        return stay.coalescer.submit(operation, key, argument, size)

    def open(self) -> None:
        """Move into the running event loop, and accept calls (again)."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._closed = False
            self._opened.append(loop)
            where = self._bound_to() or loop
            stay = self._stay
            if stay is None or stay.loop is not where or not stay.is_alive():
                stay = self._move(where)
            stay.coalescer.open()

    async def leave(self, *, last: bool) -> None:
        """Take back one :meth:`open`.

        Args:
            last: Whether nobody uses it any more: it is closed, and opens again at its next use.
        """
        loop = asyncio.get_running_loop()
        left: Stay[ConnectionT] | None = None
        with self._lock:
            if self._opened:
                self._opened.remove(loop if loop in self._opened else self._opened[-1])
            stay = self._stay
            if not last and stay is not None and stay.loop is loop and loop not in self._opened:
                # Nested clients of a test, say: the outer one is still there.
                following = self._bound_to() or self._opener(loop)
                if following is not None and following is not loop:
                    self._settle_in(following)
                    left = stay
        if left is not None:
            # Now, as this event loop may be about to end, and cancels what it was left to do later.
            await left.close()
        if not last or stay is None or not stay.is_alive():
            return
        if stay.loop is loop:
            await self._close_for_now(stay)
        else:
            # Who leaves may be what the home waits for.
            stay.start(lambda: self._close_for_now(stay))

    async def close(self) -> None:
        """Refuse new calls, answer those that wait, and give all connections back."""
        loop = asyncio.get_running_loop()
        with self._lock:
            stay = self._stay
            if stay is None or not stay.is_alive():
                stay = self._move(loop)
            self._refuse_itself(stay, loop)
            self._opened.clear()
            self._closed = stay.coalescer.closed = True
        if stay.loop is loop or stay.loop.is_running():
            await run_in(stay.loop, lambda: self._close_here(stay), self._limits.timeout)
        else:
            stay.leave()

    # -- where it lives

    @property
    def coalescer(self) -> Coalescer[ConnectionT]:
        """What serves the running event loop, now."""
        return self._find_home(asyncio.get_running_loop()).coalescer

    def _find_home(self, loop: asyncio.AbstractEventLoop) -> Stay[ConnectionT]:
        """The home for a call from an event loop."""
        with self._lock:
            stay = self._stay
            if stay is not None and stay.is_alive():
                if stay.loop is loop or stay.loop.is_running() or stay.coalescer.closed:
                    return stay
            elif stay is not None and stay.loop is loop:
                msg = "the event loop is coming to its end; no call can be made in it any more"
                raise ClosedError(msg)
            return self._move(self._bound_to() or self._opener(loop) or loop)

    def _bound_to(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it has to run in, if that runs."""
        loop = self._connector.home()
        return loop if loop is not None and loop.is_running() else None

    def _opener(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop | None:
        """The last of the event loops that have opened it and run."""
        running = (opened for opened in reversed(self._opened) if opened is loop or opened.is_running())
        return next(running, None)

    def _move(self, loop: asyncio.AbstractEventLoop) -> Stay[ConnectionT]:
        before = self._stay
        stay = self._settle_in(loop)
        if before is not None:
            before.leave()
        return stay

    def _settle_in(self, loop: asyncio.AbstractEventLoop) -> Stay[ConnectionT]:
        coalescer = Coalescer(self._connector, self._limits, self._observer, loop, _weakly(self._submit))
        stay = self._stay = Stay(coalescer, self._end)
        self.submit = coalescer.submit
        if loop is asyncio.get_running_loop():
            stay.settle()
        else:
            loop.call_soon_threadsafe(stay.settle)
        return stay

    async def _end(self, stay: Stay[ConnectionT]) -> None:
        with self._lock:
            stay.ended = True
            if self._stay is stay:
                self.submit = self._submit
            if not stay.left:
                self._opened = [opened for opened in self._opened if opened is not stay.loop]
        until = time.monotonic() + self._limits.timeout
        try:
            # What came in before that is refused now, so that its callers go elsewhere.
            await asyncio.sleep(0)
            if not stay.left:
                stay.coalescer.drop()
            await stay.coalescer.close()
        finally:
            # Also where the event loop ends in the middle of this, and cancels it: nobody else closes the pool.
            if self._stay is stay or self._stay is None or self._stay.loop is not stay.loop:
                await _in_time(self._connector.leave(not stay.left), until)

    async def _close_for_now(self, stay: Stay[ConnectionT]) -> None:
        if any(opened.is_running() for opened in self._opened):
            return  # it was entered again before the home came to this
        await self._close_here(stay)
        with self._lock:
            # Who has left it in another event loop may have closed it since.
            if not self._closed:
                stay.coalescer.open()

    async def _close_here(self, stay: Stay[ConnectionT]) -> None:
        until = time.monotonic() + self._limits.timeout
        await stay.coalescer.close()
        await _in_time(self._connector.close(), until)

    # -- calls from elsewhere

    def _visit(
        self, stay: Stay[ConnectionT], operation: Operation[ConnectionT], key: bytes, argument: Any, size: int
    ) -> asyncio.Future[Any]:
        if stay.coalescer.closed:
            raise ClosedError(CLOSED)
        self._refuse_itself(stay, asyncio.get_running_loop())

        def call() -> asyncio.Future[Any]:
            if stay.ended:
                raise ClosedError(CLOSED)
            return self.submit(operation, key, argument, size)

        def failed(error: BaseException) -> asyncio.Future[Any]:
            if isinstance(error, asyncio.CancelledError):
                if operation.writes and error.args != (NOT_MADE,):
                    msg = "the event loop that the store ran in has ended; nobody knows whether the call took effect"
                    raise UnavailableError(msg)
            elif not (isinstance(error, ClosedError) and stay.ended):
                raise error
            return self.submit(operation, key, argument, size)

        try:
            return Visit(stay.loop, call, self._limits.timeout, failed).answer
        except RuntimeError:
            # It was closed in this very moment.
            return self.submit(operation, key, argument, size)

    def _refuse_itself(self, stay: Stay[ConnectionT], loop: asyncio.AbstractEventLoop) -> None:
        if stay.loop is not loop and stay.is_around():
            msg = (
                "the store runs in an event loop inside which this one runs, and which goes on only when this one is"
                " through; await the store in the outer one, or run this one in a thread of its own"
            )
            raise ConfigurationError(msg)


def _weakly(submit: Submit) -> Submit:
    """A method of a home that does not keep it: lanes know their coalescer, and must not keep what nobody uses."""
    method = WeakMethod(submit)

    def submit_if_there(*call: Any) -> asyncio.Future[Any]:
        there = method()
        if there is None:
            raise ClosedError(CLOSED)
        return there(*call)

    return submit_if_there


async def _in_time(closing: Awaitable[None], until: float) -> None:
    try:
        async with asyncio.timeout(max(until - time.monotonic(), CLOSE_SECONDS)):
            await closing
    except TimeoutError:
        logger.warning("the pool of connections did not close in time; what is left of it was given up")
