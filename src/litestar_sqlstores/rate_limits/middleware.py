"""Counts requests, and refuses those that are too many."""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from litestar.enums import ScopeType
from litestar.exceptions import ServiceUnavailableException, TooManyRequestsException
from litestar.middleware.rate_limit import DURATION_VALUES

from litestar_sqlstores.errors import ConfigurationError, InvalidValueError, StoreError
from litestar_sqlstores.store.availability import LONGEST_WAIT, PAUSE, Availability

if TYPE_CHECKING:
    from litestar.connection import Request
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from litestar_sqlstores.rate_limits.config import SQLRateLimitConfig
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("SQLRateLimitMiddleware", "Window")

_COUNTED = "litestar_sqlstores.rate_limits"
"""Where a scope has the windows that its request was counted in."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the database knows of the calls of a client.

    Attributes:
        count: How many calls there were, this one included.
        remaining: How many seconds the window is open still, rounded up: who waits that long gets through.
    """

    count: int
    remaining: int


class SQLRateLimitMiddleware:
    """Counts each call in the database before it goes on.

    Args:
        app: What is limited.
        config: The limit.
    """

    def __init__(self, app: ASGIApp, config: SQLRateLimitConfig) -> None:
        self.app = app
        self.config = config
        self.unit, self.max_requests = config.rate_limit
        self._length = DURATION_VALUES[self.unit]
        patterns = [config.exclude] if isinstance(config.exclude, str) else config.exclude
        self._excluded = re.compile("|".join(patterns)) if patterns else None
        meanwhile = "requests are " + ("let through uncounted" if config.on_unavailable == "allow" else "refused")
        self._availability = Availability(f"the database of the rate limit {config.name!r}", meanwhile)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or refuse it.

        Raises:
            TooManyRequestsException: The client has used up its limit.
            ServiceUnavailableException: The database is away, and ``on_unavailable`` is ``"refuse"``.
        """
        if scope["type"] == ScopeType.HTTP and not self._is_excluded(scope):
            request: Request[Any, Any, Any] = scope["litestar_app"].request_class(scope)
            check: Any = self.config.check_throttle_handler
            if check is None or await check(request):
                window = await self._counted(request)
                if window is not None:
                    send = self._judge(window, send)
        await self.app(scope, receive, send)

    def _is_excluded(self, scope: Scope) -> bool:
        handler = scope["route_handler"]
        if self.config.exclude_opt_key and handler.opt.get(self.config.exclude_opt_key):
            return True
        # What a mounted application has of the path is not all of it.
        is_mount = getattr(handler, "is_mount", False)
        path = scope["raw_path"].decode("latin-1") if is_mount else scope["path"]
        return self._excluded is not None and self._excluded.search(path) is not None

    def _judge(self, window: Window, send: Send) -> Send:
        headers = self.create_response_headers(window) if self.config.set_rate_limit_headers else {}
        if window.count > self.max_requests:
            raise TooManyRequestsException(headers={**headers, "Retry-After": str(window.remaining)})
        return _adding(headers, send) if headers else send

    async def _counted(self, request: Request[Any, Any, Any]) -> Window | None:
        """The window of a request, in which it is counted once; None if it cannot be counted and need not be."""
        counted: dict[str, Window] = cast("dict[str, Any]", request.scope).setdefault(_COUNTED, {})
        key = await self.key_for_request(request)
        if key not in counted:
            try:
                counted[key] = await self._count(key, self.config.get_store_from_app(request.app))
            except _UncountedError as error:
                if self.config.on_unavailable == "allow":
                    return None
                raise ServiceUnavailableException(headers={"Retry-After": f"{PAUSE:.0f}"}) from error.__cause__
        return counted[key]

    async def key_for_request(self, request: Request[Any, Any, Any]) -> str:
        """The key of the window that a request is counted in."""
        identifier = self.config.identifier_for_request(request)
        if inspect.isawaitable(identifier):
            identifier = await identifier
        # As with Litestar's, calls of mounted applications are counted by themselves.
        mount = ":mount" if getattr(request.route_handler, "is_mount", False) else ""
        return f"{self.config.name}{mount}::{identifier}"

    async def _count(self, key: str, store: BaseSQLSpecStore[Any]) -> Window:
        # Who must be counted may have to wait for a database that is slow; who need not be, does not.
        optional = self.config.on_unavailable == "allow"
        if optional and self._availability.skip():
            raise _UncountedError
        try:
            async with asyncio.timeout(LONGEST_WAIT if optional else None):
                # The window begins with the first call, and ends when the number in the database expires.
                count, remaining = await asyncio.gather(
                    store.increment(key, expires_in=self._length), store.expires_in(key)
                )
        except (InvalidValueError, ConfigurationError):
            raise
        except (StoreError, TimeoutError) as error:
            self._availability.failed(error)
            raise _UncountedError from error
        self._availability.worked()
        # By the database's clock alone; the application's may be another.
        known = self._length if remaining is None or remaining < 0 else remaining + 1
        return Window(count, min(self._length, known))

    def create_response_headers(self, window: Window) -> dict[str, str]:
        """The rate limit headers for a response.

        Args:
            window: How often the client has called, and for how long that counts.
        """
        config = self.config
        return {
            config.rate_limit_policy_header_key: f"{self.max_requests}; w={self._length}",
            config.rate_limit_limit_header_key: str(self.max_requests),
            config.rate_limit_remaining_header_key: str(max(0, self.max_requests - window.count)),
            config.rate_limit_reset_header_key: str(window.remaining),
        }


class _UncountedError(Exception):
    """The database is away, or was a moment ago."""


def _adding(headers: dict[str, str], send: Send) -> Send:
    """Send messages on, the first with headers of these names and no others."""
    added = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    names = {name for name, _ in added}

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            # In a message of its own: its list may be one that other responses have, too.
            others = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
            message = cast("Message", {**message, "headers": [*others, *added]})
        await send(message)

    return add
