"""Makes Litestar look for pages where the middleware of this package has put them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from litestar.config.response_cache import ResponseCacheConfig
from litestar.types import Empty, EmptyType

from litestar_sqlstores.cache.storage import Storage
from litestar_sqlstores.store import BaseSQLSpecStore

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.connection import Request
    from litestar.stores.base import Store
    from litestar.types import HTTPScope

__all__ = ("FOUND", "CheckedResponseCacheConfig", "Found")


class Found:
    """What the cache has for a request, as long as Litestar has not asked for it."""

    __slots__ = ("asked", "messages")

    def __init__(self) -> None:
        self.asked = False
        self.messages: bytes | None = None

    def take(self) -> bytes | None:
        """The messages of the response, None without one."""
        self.asked = True
        return self.messages


FOUND: ContextVar[Found | None] = ContextVar("litestar_sqlstores.cache.found", default=None)
"""For the request of this task. A store's ``get`` is told a key and nothing else of the request."""


class CheckedResponseCacheConfig(ResponseCacheConfig):
    """Takes the place of an application's ``ResponseCacheConfig``.

    Litestar asks it for a page after guards have let the request through, and sends what it gets through its CSRF and
    compression middleware. So it answers with what :class:`~litestar_sqlstores.cache.middleware.CacheMiddleware` has
    found, and has Litestar store nothing. With a store of another package, it does what the application's config says.

    Args:
        original: The application's.
    """

    def __init__(self, original: ResponseCacheConfig) -> None:
        super().__init__(
            default_expiration=original.default_expiration,
            key_builder=self._key,
            store=original.store,
            cache_response_filter=self._may_store,
        )
        self.original = original
        self._storage: Storage | EmptyType | None = Empty
        self._given: Store | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "original":
            raise AttributeError(name)
        return getattr(self.original, name)

    def storage(self, app: Litestar) -> Storage | None:
        """Where the application's cached responses are; None if that is no store of this package."""
        if self._storage is Empty:
            store = self.original.get_store_from_app(app)
            self._storage = Storage(store) if isinstance(store, BaseSQLSpecStore) else None
        return self._storage

    def get_store_from_app(self, app: Litestar) -> Store:
        """The store of cached responses, which gives Litestar what was found for its request."""
        storage = self.storage(app)
        if storage is None:
            return self.original.get_store_from_app(app)
        if self._given is None:
            self._given = cast("Store", _FoundStore(storage.store))
        return self._given

    def _key(self, request: Request[Any, Any, Any]) -> str:
        return self.original.key_builder(request) if self.storage(request.app) is None else ""

    def _may_store(self, scope: HTTPScope, status: int) -> bool:
        return self.storage(scope["litestar_app"]) is None and self.original.cache_response_filter(scope, status)


class _FoundStore:
    """A store that is another one, but for Litestar's question for the page of a request."""

    def __init__(self, store: BaseSQLSpecStore[Any]) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, key: str, *arguments: Any, **options: Any) -> bytes | None:
        """As the store's; the first time in a request to a cached route, what was found for it."""
        found = FOUND.get()
        if found is None or found.asked:
            return await self._store.get(key, *arguments, **options)
        return found.take()
