"""What else puts a session into the scope of a connection: the layers within, and applications that are mounted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from litestar import Litestar
from litestar.handlers import ASGIRouteHandler
from litestar.middleware.session.base import BaseBackendConfig, SessionMiddleware
from litestar.routes import ASGIRoute

from litestar_sqlstores.registry import middleware_configs, middleware_of

__all__ = ("LayersWithin", "is_foreign_mount", "mounted_in")


class LayersWithin:
    """What is known of the layers within a middleware, as its application is put together.

    Args:
        app: The layer next to it.
        restoring: The class of the middleware that leaves the scope as it has found it, so that it does not matter.
    """

    def __init__(self, app: Any, restoring: type) -> None:
        layers = [layer for layer in _layers(app) if not isinstance(layer, restoring)]
        self.have_litestars = any(_is_litestars(layer) for layer in layers)
        self.have_sessions = self.have_litestars or any(_is_session_middleware(type(layer)) for layer in layers)
        self._known: dict[Litestar, bool] = {}
        self._known_deep: dict[Litestar, bool] = {}

    def has_sessions(self, app: Litestar) -> bool:
        """Whether a mounted application has sessions of its own."""
        known = self._known.get(app)
        if known is None:
            configs, layers = middleware_configs(app), middleware_of(app)
            known = self._known[app] = any(isinstance(config, BaseBackendConfig) for config in configs) or any(
                _is_session_middleware(getattr(layer, "middleware", layer)) for layer in layers
            )
        return known

    def may_reach_sessions(self, handler: Any) -> bool:
        """Whether a connection may come to sessions of others by a handler that mounts something, at whatever depth."""
        app = mounted_in(handler)
        if app is None:
            return True
        known = self._known_deep.get(app)
        if known is None:
            mounts = [route.route_handler for route in app.routes if isinstance(route, ASGIRoute)]
            known = self.has_sessions(app) or any(map(self.may_reach_sessions, filter(_is_mount, mounts)))
            self._known_deep[app] = known
        return known


def mounted_in(handler: Any) -> Litestar | None:
    """The application that a handler mounts, with whatever layers around it."""
    return next((app for app in _layers(handler.fn) if isinstance(app, Litestar)), None)


def is_foreign_mount(handler: Any) -> bool:
    """Whether a handler mounts what is no application of Litestar, as far as can be seen."""
    return _is_mount(handler) and mounted_in(handler) is None


def _is_mount(handler: Any) -> bool:
    return isinstance(handler, ASGIRouteHandler) and handler.is_mount


def _layers(app: Any) -> Iterator[Any]:
    while app is not None:
        yield app
        app = getattr(app, "app", None)


def _is_litestars(layer: Any) -> bool:
    # That of SessionAuth puts its middleware in with the first request only.
    return isinstance(layer, SessionMiddleware) or hasattr(getattr(layer, "config", None), "session_backend_config")


def _is_session_middleware(kind: Any) -> bool:
    """Whether a class is one that puts a session into the scope, as those of Litestar and Starlette are called.

    Only those: a "DBSessionMiddleware" is about something else.
    """
    return any(base.__name__ == "SessionMiddleware" for base in getattr(kind, "__mro__", ()))
