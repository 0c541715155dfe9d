"""Whether the cached routes of an application can be cached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from litestar.middleware.session.base import BaseBackendConfig

from litestar_sqlstores.cache import DESPITE_CREDENTIALS, CheckedResponseCacheConfig
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.registry import PlacedConfig

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.handlers import BaseRouteHandler

__all__ = ("check_response_cache", "has_cached_routes")


def has_cached_routes(app: Litestar) -> bool:
    """Whether an application caches any responses."""
    return any(_is_cached(handler) for route in app.routes for handler in getattr(route, "route_handlers", ()))


def check_response_cache(app: Litestar, placed: Iterable[PlacedConfig]) -> None:
    """See that the cache is this package's, can hold responses, and that no route needs what it must not use.

    Raises:
        ConfigurationError: It is not so.
    """
    if not has_cached_routes(app):
        return
    config = app.response_cache_config
    if not isinstance(config, CheckedResponseCacheConfig):
        msg = (
            f"the application has a {type(config).__name__} in place of the one that SQLStoresPlugin made, so that"
            " cached responses could hand out sessions: let the plugin that sets it come before SQLStoresPlugin"
        )
        raise ConfigurationError(msg)
    storage = config.storage(app)
    if storage is None:
        return
    if storage.store.settings.data_format == "json":
        msg = (
            f"the response cache's store {config.store!r} has data_format='json', but responses are bytes: give the"
            " cache a store with data_format='bytes', for instance by a second plugin, SQLStoresPlugin(...,"
            f" names=[{config.store!r}], default=False, dependency=None)"
        )
        raise ConfigurationError(msg)
    for each in placed:
        if isinstance(each.config, BaseBackendConfig) and each.applies:
            _refuse_session_of_its_own(each)


def _refuse_session_of_its_own(placed: PlacedConfig) -> None:
    handler: Any = placed.handler
    of_its_own = any(placed.middleware is middleware for middleware in handler.middleware or ())
    if _is_cached(handler) and of_its_own and DESPITE_CREDENTIALS not in handler.opt:
        msg = (
            f"the route {placed.route.path} is cached and has a session of its own ({type(placed.config).__name__}),"
            " but responses that use a session are not cached: take cache= or the middleware off it, or say with"
            f" opt={{{DESPITE_CREDENTIALS!r}: True}} that its responses are for everybody, or with False that those"
            " without the session are"
        )
        raise ConfigurationError(msg)


def _is_cached(handler: BaseRouteHandler) -> bool:
    return bool(getattr(handler, "cache", False))
