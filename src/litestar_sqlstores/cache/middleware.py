"""Looks for the page of a request, and stores the one that is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar_sqlstores.cache.config import FOUND, CheckedResponseCacheConfig, Found
from litestar_sqlstores.cache.filling import page_of
from litestar_sqlstores.cache.recording import Recording, copied_start
from litestar_sqlstores.cache.records import Page, Variants
from litestar_sqlstores.cache.requests import CacheRequest, cache_request
from litestar_sqlstores.cache.watching import Watch

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from litestar_sqlstores.cache.storage import Storage

__all__ = ("CacheMiddleware",)


class CacheMiddleware:
    """The cache of a route: inside all middleware of the application, around Litestar's CSRF and compression.

    Args:
        app: What makes the response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page in the cache, or make it and store it if it may be stored."""
        app = scope["litestar_app"]
        config = app.response_cache_config
        if not isinstance(config, CheckedResponseCacheConfig) or (storage := config.storage(app)) is None:
            await self.app(scope, receive, send)
            return
        found = Found()
        token = FOUND.set(found)
        try:
            request = cache_request(cast("HTTPScope", scope), config)
            if request is None:
                await self.app(scope, receive, send)
            elif (page := await _look_up(request, storage)) is not None:
                found.messages = page.messages
                await self.app(scope, receive, send)
            else:
                filling = _Filling(request, storage, send)
                await self.app(filling.watch.scope, receive, filling.send)
        finally:
            FOUND.reset(token)


async def _look_up(request: CacheRequest, storage: Storage) -> Page | None:
    record = await storage.get(request.key)
    if isinstance(record, Variants):
        request.names = frozenset(record.names)
        record = await storage.get(request.variant_key(request.names))
    return record if isinstance(record, Page) else None


class _Filling:
    """A response on its way to a client, and into the cache if it may be stored."""

    def __init__(self, request: CacheRequest, storage: Storage, send: Send) -> None:
        self.watch = Watch(request.scope)
        self._request = request
        self._storage = storage
        self._send = send
        self._recording = Recording(storage.max_bytes)

    async def send(self, message: Message) -> None:
        """Send a message on, after the response is stored if it is complete with it."""
        if message["type"] == "http.response.start":
            # What middleware around this one does to the headers is neither recorded nor seen by the application.
            message = copied_start(message)
            if not self._request.may_store(cast("Any", message)["status"]):
                self._recording.spoil()
        if self._recording.add(message):
            await self._store()
        await self._send(message)

    async def _store(self) -> None:
        request = self._request
        storable = page_of(request, self._recording, self.watch)
        if storable is None:
            return
        page, names = storable
        key = request.key
        if names:
            if names != request.names:
                await self._storage.set(key, Variants(sorted(names)), request.expires_in, request.route)
            key = request.variant_key(names)
        await self._storage.set(key, page, request.expires_in, request.route)
