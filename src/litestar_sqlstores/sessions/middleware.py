"""When a session is loaded and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.middleware.session.base import BaseBackendConfig, SessionMiddleware
from litestar.types import Empty

from litestar_sqlstores.registry import middleware_configs
from litestar_sqlstores.sessions.backend import SQLSessionBackend
from litestar_sqlstores.sessions.cookies import copy_headers, own_headers, vary_by_cookie
from litestar_sqlstores.sessions.state import Connection, SessionState, set_session_id, states_of

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("SQLSessionMiddleware", "StoreSessions")

_BEGINS = {"http.response.start", "websocket.accept"}


class StoreSessions:
    """The ``before_send`` hook that stores the sessions of an application's connections.

    As the last hook, which SQLStoresPlugin makes it, it runs after those with which other plugins commit a transaction
    and give back a connection: what they hold might be what it waits for.

    Args:
        app: The application. An application that is mounted in it, or that it is mounted in, has a hook of its own.
    """

    def __init__(self, app: Litestar) -> None:
        self._app = app

    async def __call__(self, message: Message, scope: Scope) -> None:
        """Store the sessions of a connection whose response begins."""
        if message["type"] in _BEGINS:
            for state in [state for state in states_of(scope) if state.app is self._app]:
                # The layers between may have put a list of their own in place of the middleware's.
                own_headers(message)
                await _settle(state, message, ASGIConnection(scope))


class SQLSessionMiddleware(SessionMiddleware[SQLSessionBackend]):
    """Litestar's session middleware, but a session that cannot be stored fails before its response begins.

    It also stores what websocket handlers change after they have accepted.
    """

    def __init__(self, app: ASGIApp, backend: SQLSessionBackend) -> None:
        super().__init__(app, backend)
        self._is_alone = not _has_session_middleware(app)
        self._known: dict[Litestar, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Load the session, call the application, and store what a websocket handler changed since it accepted."""
        connection: Connection = ASGIConnection(scope, receive, send)
        state = await self.backend.load(connection)
        self._look_inside(state, scope)
        states = states_of(scope)
        states.append(state)
        before = _Before(scope, connection)
        scope["session"] = state.session
        state.outer_id = connection._connection_state.session_id
        if state.clearable:
            set_session_id(connection, state.session_id)
        try:
            await self.app(scope, receive, _sending(state, connection))
        except Exception:
            if state.failure is None:
                raise
        finally:
            states.remove(state)
            if scope["type"] == ScopeType.WEBSOCKET and state.failure is None:
                await self.backend.save_late(state, state.session_in(connection), connection)
        if state.failure is not None:
            # Whatever the layers within made of it. Nothing was sent yet, so that those around can answer.
            before.restore()
            raise state.failure

    def _look_inside(self, state: SessionState, scope: Scope) -> None:
        """See whether what is in the scope later will be what a handler of this application has put there."""
        handler = scope.get("route_handler")
        state.replaceable = self._is_alone
        if isinstance(handler, ASGIRouteHandler) and handler.is_mount:
            # With a copied scope, what is mounted is all there is to see; else the scope tells its application.
            state.replaceable = False
            state.has_sessions = self._has_sessions
            mounted = _litestar_in(handler.fn)
            state.clearable = mounted is None or not self._has_sessions(mounted)

    def _has_sessions(self, app: Litestar) -> bool:
        known = self._known.get(app)
        if known is None:
            configs = middleware_configs(app)
            known = self._known[app] = any(isinstance(config, BaseBackendConfig) for config in configs)
        return known


def _litestar_in(app: Any) -> Litestar | None:
    """The application that an ASGI application is, or is a layer around."""
    while app is not None and not isinstance(app, Litestar):
        app = getattr(app, "app", None)
    return app


def _has_session_middleware(app: Any) -> bool:
    """Whether a layer within puts a session of its own into the scope, be it of this framework or another."""
    while app is not None:
        if any("SessionMiddleware" in kind.__name__ for kind in type(app).__mro__):
            return True
        app = getattr(app, "app", None)
    return False


class _Before:
    """What decides how an application answers an exception, as it was before a mounted one has put its own there."""

    _KEYS = ("app", "litestar_app", "route_handler")

    def __init__(self, scope: Scope, connection: Connection) -> None:
        self._scope = cast("dict[str, Any]", scope)
        self._items = [(key, scope[key]) for key in self._KEYS if key in scope]  # type: ignore[literal-required]
        self._connection_state = connection._connection_state
        self._handlers = self._connection_state.exception_handlers

    def restore(self) -> None:
        """Have it be as if no response had begun yet."""
        self._scope.update(self._items)
        self._connection_state.exception_handlers = self._handlers
        self._connection_state.response_started = False


def _sending(state: SessionState, connection: Connection) -> Send:
    stores = not any(isinstance(hook, StoreSessions) for hook in state.app.before_send)

    async def send(message: Message) -> None:
        if state.failure is not None:
            # A layer within answers the failure. It has seen the response begin, so that is not its business any more.
            raise state.failure
        if message["type"] in _BEGINS:
            message = copy_headers(message)
            if stores:
                await _settle(state, message, connection)
        await connection.send(message)

    return send


async def _settle(state: SessionState, message: Message, connection: Connection) -> None:
    """Store a session, once, and tell the browser and caches what the message is to tell them."""
    if state.settled:
        return
    state.settled = True
    session = state.session_in(connection)
    was_used = state.was_used(connection)
    try:
        has_cookie = await state.backend.settle(state, session, message, connection)
    except Exception as error:
        state.failure = error
        raise
    if state.outer_id is not Empty:
        # Litestar's own middleware would take this session's id for that of its own.
        connection._connection_state.session_id = state.outer_id
    if (was_used or has_cookie) and message["type"] == "http.response.start":
        vary_by_cookie(message)
