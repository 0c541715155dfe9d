"""When a session is loaded and stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.middleware.session.base import SessionMiddleware

from litestar_sqlstores.sessions.backend import SQLSessionBackend
from litestar_sqlstores.sessions.state import Connection, find_state, session_of, set_session_id

if TYPE_CHECKING:
    from litestar.types import Message, Receive, Scope, Send

__all__ = ("SQLSessionMiddleware", "store_session")


async def store_session(message: Message, scope: Scope) -> None:
    """Store the session of a connection, if the message can carry a cookie.

    As the last ``before_send`` hook of an application, which SQLStoresPlugin makes it, it runs after the hooks with
    which other plugins commit a transaction and give back a connection: what they hold might be what it waits for.
    """
    if message["type"] not in {"http.response.start", "websocket.accept"}:
        return
    connection: Connection = ASGIConnection(scope)
    state = find_state(connection)
    if state is None or state.failed:
        return
    try:
        await state.backend.store_in_message(session_of(connection), message, connection)
    except Exception:
        # Nothing was sent yet: let Litestar's exception handlers answer, without another attempt.
        state.failed = True
        connection._connection_state.response_started = False
        raise


class SQLSessionMiddleware(SessionMiddleware[SQLSessionBackend]):
    """Litestar's session middleware, which also stores what websocket handlers change."""

    def create_send_wrapper(self, connection: Connection) -> Callable[[Message], Awaitable[None]]:
        """Store the session with the first message that can carry a cookie."""
        if store_session in connection.scope["litestar_app"].before_send:
            return connection.send

        async def send(message: Message) -> None:
            await store_session(message, connection.scope)
            await connection.send(message)

        return send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Load the session, call the application, and store what a websocket handler changed since it accepted."""
        connection: Connection = ASGIConnection(scope, receive, send)
        scope["session"] = await self.backend.load_from_connection(connection)
        set_session_id(connection, self.backend.get_session_id(connection))
        try:
            await self.app(scope, receive, self.create_send_wrapper(connection))
        finally:
            if scope["type"] == ScopeType.WEBSOCKET:
                state = find_state(connection)
                if state is not None and not state.failed:
                    await self.backend.save(session_of(connection), connection, keep_id=True)
