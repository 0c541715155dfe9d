"""When a session is loaded and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.middleware.session.base import SessionMiddleware

from litestar_sqlstores.sessions.backend import SQLSessionBackend
from litestar_sqlstores.sessions.cookies import copy_headers, own_headers, vary_by_cookie
from litestar_sqlstores.sessions.layers import LayersWithin, mounted_in
from litestar_sqlstores.sessions.state import Connection, SessionState, known_states, states_of

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("SQLSessionMiddleware", "StoreSessions")

_RESPONSES = {"http.response.start", "websocket.http.response.start"}
_BEGINS = {*_RESPONSES, "websocket.accept"}


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
        if message["type"] in _BEGINS and (states := known_states(scope)):
            for state in [state for state in states if state.app is self._app]:
                # The layers between may have put a list of their own in place of the middleware's.
                own_headers(message)
                await _settle(state, message)


class SQLSessionMiddleware(SessionMiddleware[SQLSessionBackend]):
    """Litestar's session middleware, but a session that cannot be stored fails before its response begins.

    It also stores what websocket handlers change after they have accepted.
    """

    def __init__(self, app: ASGIApp, backend: SQLSessionBackend) -> None:
        super().__init__(app, backend)
        self._within = LayersWithin(app, SQLSessionMiddleware)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Load the session, call the application, and store what a websocket handler changed since it accepted."""
        connection: Connection = ASGIConnection(scope, receive, send)
        state = await self.backend.load(connection)
        self._look_inside(state, scope)
        states = states_of(scope)
        states.append(state)
        before = _Before(scope, connection)
        state.enter()
        try:
            await self.app(scope, receive, _sending(state, connection))
        except Exception:
            if state.failure is None:
                raise
        finally:
            states.remove(state)
            if scope["type"] == ScopeType.WEBSOCKET and state.failure is None:
                await self.backend.save_late(state, state.session_in(connection), connection)
            state.leave()
        if state.failure is not None:
            # Whatever the layers within made of it. Nothing was sent yet, so that those around can answer.
            before.restore()
            raise state.failure

    def _look_inside(self, state: SessionState, scope: Scope) -> None:
        """See whether what is in the scope later will be what a handler of this application has put there."""
        within, handler = self._within, scope.get("route_handler")
        state.clearable = not within.have_litestars
        state.replaceable = not within.have_sessions
        state.tells_id = state.clearable
        if isinstance(handler, ASGIRouteHandler) and handler.is_mount:
            # With a copied scope, what is mounted is all there is to see; else the scope tells its application.
            state.replaceable = False
            state.has_sessions = within.has_sessions
            state.tells_id = state.clearable and not within.may_reach_sessions(handler)
            mounted = mounted_in(handler)
            state.clearable = state.clearable and (mounted is None or not within.has_sessions(mounted))


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
        if message["type"] not in _BEGINS:
            await connection.send(message)
            return
        message = copy_headers(message)
        if message["type"] in _RESPONSES and state.was_used(state.session_in(connection)):
            # Now, so that a layer that caches knows as well.
            vary_by_cookie(message)
        state.give_way()
        try:
            if stores:
                await _settle(state, message)
            await connection.send(message)
        finally:
            state.take_back()

    return send


async def _settle(state: SessionState, message: Message) -> None:
    """Store a session, once, and tell the browser and caches what the message is to tell them."""
    if state.settled:
        return
    state.settled = True
    connection = state.connection
    session = state.session_in(connection)
    was_used = state.was_used(session)
    try:
        has_cookie = await state.backend.settle(state, session, message, connection)
    except Exception as error:
        state.failure = error
        raise
    if (was_used or has_cookie) and message["type"] in _RESPONSES:
        vary_by_cookie(message)
