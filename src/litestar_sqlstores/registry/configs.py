"""Finds the configs of sessions and rate limits on the routes of an application, however they are wrapped."""

from __future__ import annotations

import logging
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.base import BaseBackendConfig
from litestar.stores.base import Store
from litestar.stores.registry import StoreRegistry

if TYPE_CHECKING:
    from litestar.routes import BaseRoute

__all__ = ("PlacedConfig", "configs_in", "middleware_configs", "middleware_of", "placed_configs")

_CONFIGS = (BaseBackendConfig, RateLimitConfig)
# What leads to the rest of an application, or nowhere.
_CLOSED = (
    *(Litestar, Router, BaseRouteHandler, ASGIConnection, Store, StoreRegistry, logging.Logger, re.Pattern),
    *(types.ModuleType, str, bytes, int, float, complex, type(None)),
)
_MAX_DEPTH = 8
_MAX_OBJECTS = 5000


@dataclass(frozen=True)
class PlacedConfig:
    """A config on a route.

    Attributes:
        config: Of sessions or of a rate limit.
        middleware: What it was found in.
        route: Where.
        handler: Of the route.
    """

    config: Any
    middleware: object
    route: BaseRoute
    handler: BaseRouteHandler

    @property
    def applies(self) -> bool:
        """Whether nothing excludes the route from the middleware."""
        kind = "websocket" if self.route.scope_type == "websocket" else "http"
        exclude = getattr(self.config, "exclude", None)
        patterns = [exclude] if isinstance(exclude, str) else exclude or ()
        return (
            kind in {str(getattr(scope, "value", scope)) for scope in getattr(self.config, "scopes", ("http",))}
            and not self.handler.opt.get(getattr(self.config, "exclude_opt_key", None) or "")
            and not any(re.search(pattern, self.route.path) for pattern in patterns)
        )


def placed_configs(app: Litestar) -> Iterator[PlacedConfig]:
    """All configs on the routes of an application, from the outermost middleware of each to the innermost."""
    found: dict[int, tuple[object, list[Any]]] = {}
    for route in app.routes:
        for handler in _handlers(route):
            for middleware in reversed(_resolved(handler)):
                if id(middleware) not in found:
                    found[id(middleware)] = middleware, list(configs_in(middleware))
                for config in found[id(middleware)][1]:
                    yield PlacedConfig(config, middleware, route, handler)


def middleware_configs(app: Litestar) -> Iterator[object]:
    """Each config of sessions or of a rate limit that is on a route of an application, once."""
    seen: set[int] = set()
    for placed in placed_configs(app):
        if id(placed.config) not in seen:
            seen.add(id(placed.config))
            yield placed.config


def middleware_of(app: Litestar) -> Iterator[object]:
    """What is on the routes of an application, once for each of them."""
    for route in app.routes:
        for handler in _handlers(route):
            yield from _resolved(handler)


def configs_in(middleware: object) -> Iterator[Any]:
    """The configs that a middleware has in its arguments, attributes and closures, or in what is in these."""
    seen: dict[int, object] = {}
    level: list[object] = [middleware]
    for _ in range(_MAX_DEPTH):
        following: list[object] = []
        for each in level:
            if id(each) in seen or isinstance(each, _CLOSED) or len(seen) > _MAX_OBJECTS:
                continue
            seen[id(each)] = each  # kept, so that no other object gets its id
            if isinstance(each, _CONFIGS):
                yield each
            else:
                following.extend(_parts(each))
        level = following


def _handlers(route: Any) -> Iterable[BaseRouteHandler]:
    return getattr(route, "route_handlers", None) or [route.route_handler]


def _resolved(handler: Any) -> list[object]:
    """The middleware of a route, from the innermost to the outermost."""
    return list(handler.resolve_middleware() if hasattr(handler, "resolve_middleware") else handler.middleware)


def _parts(each: object) -> Iterator[object]:
    """What an object holds. No property is asked for, as that may do anything."""
    if isinstance(each, Mapping):
        yield from list(each.values())
    elif isinstance(each, (list, tuple, set, frozenset)):
        yield from each
    elif isinstance(each, partial):
        yield from (each.func, *each.args, *each.keywords.values())
    elif isinstance(each, types.MethodType):
        yield each.__self__
    elif isinstance(each, types.FunctionType):
        yield from _function_parts(each)
    elif isinstance(each, type):
        # Of a class, what it has by itself: what else it is made of is not this application's.
        yield from (value for value in vars(each).values() if isinstance(value, _CONFIGS))
    else:
        yield type(each)
        yield from getattr(each, "__dict__", {}).values()
        for slot in _slots(type(each)):
            try:
                yield object.__getattribute__(each, slot)
            except AttributeError:
                continue


def _function_parts(function: types.FunctionType) -> Iterator[object]:
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, types.MemberDescriptorType):
                yield name
