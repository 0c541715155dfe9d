"""How a session is loaded and stored, as Litestar's middleware and test client call for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from litestar.middleware.session.server_side import ServerSideSessionBackend
from litestar.serialization import encode_json
from litestar.utils.scope import get_serializer_from_scope

from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.sessions.cookies import SessionCookies, is_public, make_private
from litestar_sqlstores.sessions.loading import load_session
from litestar_sqlstores.sessions.saving import Saved, Saving, store_of
from litestar_sqlstores.sessions.state import Connection, SessionState, find_state, states_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from litestar.types import Message, Scope, ScopeSession

    from litestar_sqlstores.sessions.config import SQLSessionConfig

__all__ = ("SQLSessionBackend",)

logger = logging.getLogger("litestar_sqlstores")


class SQLSessionBackend(ServerSideSessionBackend):
    """Loads and stores the session of a connection; see the package's documentation."""

    config: SQLSessionConfig

    def __init__(self, config: SQLSessionConfig) -> None:
        super().__init__(config)
        self._cookies = SessionCookies(config)
        self._saving = Saving(self)

    @staticmethod
    def serialize_data(data: ScopeSession, scope: Scope | None = None) -> bytes:
        """What is stored of a session: what Litestar's backends make of it.

        The type encoders of a route take as long to find as the rest does, and hardly any session needs them.
        """
        if scope is None:
            return encode_json(data)
        return encode_json(data, lambda value: get_serializer_from_scope(scope)(value))  # noqa: PLW0108 - when needed

    def get_session_id(self, connection: Connection) -> str:
        """The id that the session has, or will have once it is stored; never one that only a cookie knows."""
        state = find_state(connection)
        return self.generate_session_id() if state is None else state.session_id

    async def load_from_connection(self, connection: Connection) -> dict[str, Any]:
        """The data of the session whose id a cookie holds, which is renewed if that is due; else an empty session."""
        # Litestar's test client puts cookies where they are after parsing, and sends no header.
        ids = self._cookies.ids(connection.scope) or self._cookies.parsed_ids(connection.cookies)
        state = await load_session(self, connection, ids)
        states_of(connection.scope).append(state)
        return cast("dict[str, Any]", state.session)

    async def store_in_message(self, scope_session: ScopeSession, message: Message, connection: Connection) -> None:
        """Store the session if it changed, and have the browser keep or drop its id."""
        if find_state(connection) is None:
            await self.load_from_connection(connection)
        await self.settle(states_of(connection.scope)[-1], scope_session, message, connection)

    def load(self, connection: Connection) -> Awaitable[SessionState]:
        """Find the session of a connection."""
        return load_session(self, connection, self._cookies.ids(connection.scope))

    async def settle(
        self, state: SessionState, session: ScopeSession, message: Message, connection: Connection
    ) -> bool:
        """Store a session before its response begins, and tell the browser what is new.

        Args:
            state: What the connection knows of the session.
            session: What it is to be.
            message: The message that begins the response, with a list of headers of its own.
            connection: The connection.

        Returns:
            Whether the message has a cookie now.
        """
        saved = await self._saving.save(state, session, connection)
        if saved is Saved.NOTHING:
            if not (state.renewed and state.stored_id is not None) or is_public(message):
                return False
            if not await self._is_still_there(state):
                return False
        elif is_public(message):
            make_private(message)
        self._cookies.tell(message, state.stored_id)
        return True

    async def save_late(self, state: SessionState, session: ScopeSession, connection: Connection) -> None:
        """Store a session when it is too late to tell the browser of another id.

        The session keeps the id that it has, and none is begun.
        """
        await self._saving.save(state, session, connection, keep_id=True)

    async def _is_still_there(self, state: SessionState) -> bool:
        """Whether a session has neither ended nor got another id while the request was under way."""
        try:
            return await store_of(state).exists(cast("str", state.stored_id))
        except StoreError as error:
            # Nothing has to be stored. The cookie gets its new expiry when the next renewal is due.
            logger.info("a session's cookie is not renewed: %s", error)
            return False
