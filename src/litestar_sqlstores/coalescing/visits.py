"""Calls that one event loop makes in another one, which runs in another thread."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from litestar_sqlstores.coalescing.clock import Clock
from litestar_sqlstores.errors import StoreTimeoutError

__all__ = ("Visit", "run_in")

GRACE_SECONDS = 0.5
"""How much longer a caller waits than the other event loop: that one knows better why there is no answer."""


class Visit:
    """A call that the running event loop makes in another one.

    Args:
        host: The other event loop.
        call: Makes the call there; gives the future of its answer.
        timeout: Seconds that the call has there.
        failed: Called here with an error of the call, which is a CancelledError if that event loop ends meanwhile. It
            raises what the caller is to be told, or gives the future of another attempt.

    Attributes:
        answer: The future of the answer, in the running event loop. To cancel it cancels the call.

    Raises:
        RuntimeError: The other event loop is closed.
    """

    def __init__(
        self,
        host: asyncio.AbstractEventLoop,
        call: Callable[[], asyncio.Future[Any]],
        timeout: float,
        failed: Callable[[BaseException], asyncio.Future[Any]],
    ) -> None:
        self._host = host
        self._caller = asyncio.get_running_loop()
        self._make_call = call
        self._timeout = timeout
        self._failed = failed
        self._call: asyncio.Future[Any] | None = None
        self._retry: asyncio.Future[Any] | None = None
        clock = Clock(self._caller)
        # Two threads cannot be in one context.
        self._context, self._host_context = clock.context, contextvars.Context()
        self.answer: asyncio.Future[Any] = self._caller.create_future()
        self._host.call_soon_threadsafe(self._begin, context=self._host_context)
        self._timer = clock.call_later(timeout + GRACE_SECONDS, self._time_out)
        self.answer.add_done_callback(self._end, context=self._context)

    # -- in the other event loop

    def _begin(self) -> None:
        if self.answer.done() or self._caller.is_closed():
            return
        try:
            self._call = self._make_call()
        except Exception as error:  # noqa: BLE001 - the caller gets it, whatever it is
            self._tell(None, error)
        else:
            self._call.add_done_callback(self._done, context=self._host_context)

    def _done(self, call: asyncio.Future[Any]) -> None:
        try:
            result = call.result()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the caller gets it, whatever it is
            self._tell(None, error)
        else:
            self._tell(result, None)

    def _tell(self, result: Any, error: BaseException | None) -> None:
        # Nobody waits in an event loop that was closed.
        with suppress(RuntimeError):
            self._caller.call_soon_threadsafe(self._arrive, result, error, context=self._context)

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    # -- in the caller's

    def _arrive(self, result: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
            return
        try:
            self._retry = self._failed(error)
        except Exception as told:  # noqa: BLE001 - the caller gets it, whatever it is
            self.answer.set_exception(told)
        else:
            self._retry.add_done_callback(self._arrive_again, context=self._context)

    def _arrive_again(self, call: asyncio.Future[Any]) -> None:
        if self.answer.done():
            return
        if call.cancelled():
            self.answer.cancel()
        elif (error := call.exception()) is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(call.result())

    def _time_out(self) -> None:
        if self.answer.done():
            return
        if self._call is not None or self._retry is not None:
            text = f"no answer from the database in {self._timeout:g} seconds (timeout)"
        else:
            text = (
                f"the event loop that the store runs in has not taken the call up in {self._timeout:g} seconds"
                " (timeout): something blocks it, perhaps a handler that waits for this very call. Await the store in"
                " that event loop, or have what blocks run in a thread (sync_to_thread=True)"
            )
        self.answer.set_exception(StoreTimeoutError(text))

    def _end(self, answer: asyncio.Future[Any]) -> None:
        self._timer.cancel()
        if self._retry is not None:
            self._retry.cancel()
        elif answer.cancelled() or answer.exception() is not None:
            # To cancel a call that has ended does nothing, and the event loop that made it may be closed.
            with suppress(RuntimeError):
                self._host.call_soon_threadsafe(self._cancel, context=self._host_context)


async def run_in(
    host: asyncio.AbstractEventLoop,
    work: Callable[[], Coroutine[Any, Any, None]],
    timeout: float,  # noqa: ASYNC109 - not by asyncio's clock
) -> None:
    """Have another event loop do something; it is done if that event loop ends.

    Args:
        host: The event loop; also the running one.
        work: What to do there.
        timeout: Seconds after which it is given up.

    Raises:
        StoreTimeoutError: It was.
    """
    if host is asyncio.get_running_loop():
        await work()
        return

    def failed(error: BaseException) -> asyncio.Future[Any]:
        raise error

    # A RuntimeError is that of an event loop which is closed.
    with suppress(RuntimeError, asyncio.CancelledError):
        await Visit(host, lambda: host.create_task(work()), timeout, failed).answer
