"""Puts the cache on the routes that ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import HTTPRoute

from litestar_sqlstores.cache.compat import add_innermost_middleware
from litestar_sqlstores.cache.config import CheckedResponseCacheConfig
from litestar_sqlstores.cache.middleware import CacheMiddleware

if TYPE_CHECKING:
    from litestar.config.app import AppConfig
    from litestar.routes import BaseRoute

__all__ = ("cache_responses",)


def cache_responses(app_config: AppConfig) -> None:
    """Have an application cache its responses here, where the store of its cache is one of this package."""
    if not isinstance(app_config.response_cache_config, CheckedResponseCacheConfig):
        app_config.response_cache_config = CheckedResponseCacheConfig(app_config.response_cache_config)
        app_config.plugins.append(_CachedRoutes())


class _CachedRoutes(ReceiveRoutePlugin):
    """Sees each route as the application gets it, also those that it gets later."""

    def receive_route(self, route: BaseRoute) -> None:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.cache:
                    add_innermost_middleware(handler, CacheMiddleware)
