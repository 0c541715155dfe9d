"""A rate limit that holds over any number of workers.

Litestar's own reads how often a client has called, counts in the worker and writes the result, so that workers which do
this at the same time let up to limit x workers calls through. Here the database counts: one atomic increment a request.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from litestar.exceptions import TooManyRequestsException
from litestar.middleware.rate_limit import DURATION_VALUES, CacheObject, RateLimitConfig, RateLimitMiddleware

from litestar_sqlstores.registry import registered_store

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.connection import Request
    from litestar.types import Receive, Scope, Send

    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("SQLRateLimitConfig", "SQLRateLimitMiddleware")


@dataclass
class _Window(CacheObject):
    """How often a client has called, in place of the times at which it did."""

    __slots__ = ("count",)

    def __init__(self, count: int, reset: int) -> None:
        super().__init__(history=[], reset=reset)
        self.count = count


class SQLRateLimitMiddleware(RateLimitMiddleware):
    """Counts each call in the database before it goes on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or refuse it.

        Raises:
            TooManyRequestsException: The client has used up its limit.
        """
        app = scope["litestar_app"]
        request: Request[Any, Any, Any] = app.request_class(scope)
        if await self.should_check_request(request=request):
            store = cast("SQLRateLimitConfig", self.config).get_store_from_app(app)
            window = await self._count(self.cache_key_from_request(request), store)
            headers = self.create_response_headers(window) if self.config.set_rate_limit_headers else None
            if window.count > self.max_requests:
                raise TooManyRequestsException(headers=headers)
            if headers is not None:
                send = self.create_send_wrapper(send=send, cache_object=window)
        await self.app(scope, receive, send)

    def cache_key_from_request(self, request: Request[Any, Any, Any]) -> str:
        """The key of the window; limits that differ count for themselves, also for the same client."""
        return f"{super().cache_key_from_request(request)}::{self.max_requests}/{self.unit}"

    async def _count(self, key: str, store: BaseSQLSpecStore[Any]) -> _Window:
        length = DURATION_VALUES[self.unit]
        # The window begins with the first call, and ends when the number in the database expires.
        count, remaining = await asyncio.gather(store.increment(key, expires_in=length), store.expires_in(key))
        # Rounded up: who waits as long as the header says gets through.
        return _Window(count, int(time.time()) + (length if remaining is None else min(length, remaining + 1)))

    def create_response_headers(self, cache_object: CacheObject) -> dict[str, str]:
        """The rate limit headers for a response.

        Args:
            cache_object: How often the client has called, and when it starts anew.
        """
        headers = super().create_response_headers(cache_object)
        if isinstance(cache_object, _Window):
            remaining = max(0, self.max_requests - cache_object.count)
            headers[self.config.rate_limit_remaining_header_key] = str(remaining)
        return headers


@dataclass
class SQLRateLimitConfig(RateLimitConfig):
    """A drop-in for Litestar's ``RateLimitConfig`` whose limit is exact, however many workers there are.

    All fields mean the same. The store that ``store`` names must be one of this package. A window begins with a
    client's first call and ends a ``rate_limit`` unit later; calls that are refused count, but do not make it longer.
    """

    middleware_class: type[RateLimitMiddleware] = field(default=SQLRateLimitMiddleware)

    def get_store_from_app(self, app: Litestar) -> BaseSQLSpecStore[Any]:
        """The store of the application that :attr:`store` names.

        Raises:
            ConfigurationError: It is none of this package.
        """
        return registered_store(app, self.store, type(self).__name__)
