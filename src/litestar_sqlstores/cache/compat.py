"""What the cache needs of Litestar beyond its public interface. Nothing else of this package relies on any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar.utils.scope.state import CONNECTION_STATE_KEY, ScopeState

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler
    from litestar.types import HTTPScope, Middleware, Scope

__all__ = ("CONNECTION_STATE_KEY", "add_innermost_middleware", "csrf_token")

# CONNECTION_STATE_KEY: the session's id, parsed cookies and the CSRF token of a request are there and
# nowhere else, and the cache has to know whether a handler used them.


def add_innermost_middleware(handler: HTTPRouteHandler, middleware: Middleware) -> None:
    """Put a middleware inside all others of a route, unless it is there.

    No hook of Litestar does this: middleware of the application goes around that of routers and handlers.
    """
    of_handler: list[Any] = list(handler.middleware or ())
    if middleware not in of_handler:
        handler.middleware = [*of_handler, middleware]


def csrf_token(scope: HTTPScope) -> str:
    """The token that Litestar's CSRF middleware has for a request; empty without one."""
    token = ScopeState.from_scope(cast("Scope", scope)).csrf_token
    return token if isinstance(token, str) else ""
