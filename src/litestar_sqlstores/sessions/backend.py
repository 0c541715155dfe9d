"""How a session is loaded and stored."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, cast

from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.middleware.session.server_side import ServerSideSessionBackend
from litestar.types import Empty

from litestar_sqlstores.errors import DecryptionError
from litestar_sqlstores.sessions.state import (
    Connection,
    SessionState,
    find_state,
    set_session_id,
    start_state,
    state_of,
)

if TYPE_CHECKING:
    from litestar.types import Message, ScopeSession

    from litestar_sqlstores.sessions.config import SQLSessionConfig
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("MAX_MERGES", "SQLSessionBackend")

logger = logging.getLogger("litestar_sqlstores")

MAX_MERGES = 10
"""How often a session is merged with changes of others before the last write wins after all."""


class SQLSessionBackend(ServerSideSessionBackend):
    """Loads and stores the session of a connection; see the package's documentation."""

    config: SQLSessionConfig

    def __init__(self, config: SQLSessionConfig) -> None:
        super().__init__(config)
        self._issued = re.compile(rf"[0-9a-f]{{{2 * config.session_id_bytes}}}").fullmatch
        # What all cookies share is put together once: it takes Litestar as long as the rest of the session does.
        self._cookie_attributes = self._cookie("id", config.max_age).removeprefix(f"{config.key}=id")
        self._no_cookie = self._cookie("", 0)

    def store_of(self, connection: Connection) -> BaseSQLSpecStore[Any]:
        """The store that holds the session of a connection."""
        return self.config.get_store_from_app(connection.scope["litestar_app"])

    # -- what Litestar's middleware and test client call

    def get_session_id(self, connection: Connection) -> str:
        """The id that the session has, or will have once it is stored; never one that only a cookie knows."""
        state = find_state(connection)
        return self.generate_session_id() if state is None else state.session_id

    async def load_from_connection(self, connection: Connection) -> dict[str, Any]:
        """The data of the session whose id the cookie holds, which is renewed if that is due; else an empty session."""
        session_id = connection.cookies.get(self.config.key, "")
        if self._issued(session_id):
            renew_for = self.config.max_age if self.config.renew_on_access else None
            data, is_current = await self._get(connection, session_id, renew_for)
            if data is not None:
                state = SessionState(self, session_id, stored_id=session_id, stored=data, is_current=is_current)
                start_state(connection, state)
                return self.deserialize_data(data)
        start_state(connection, SessionState(self, self.generate_session_id()))
        return {}

    async def store_in_message(self, scope_session: ScopeSession, message: Message, connection: Connection) -> None:
        """Store the session if it changed, and have the browser keep or drop its id."""
        if find_state(connection) is None:
            await self.load_from_connection(connection)
        written = await self.save(scope_session, connection)
        stored_id = state_of(connection).stored_id
        if stored_id is not None and (written or self.config.renew_on_access):
            cookie = f"{self.config.key}={stored_id}{self._cookie_attributes}"
        elif stored_id is None and written:
            cookie = self._no_cookie
        else:
            # Also if the session has ended meanwhile: the browser may have got the id of the next one.
            return
        cast("dict[str, Any]", message).setdefault("headers", [])
        MutableScopeHeaders.from_message(message).add("Set-Cookie", cookie)

    async def _get(
        self, connection: Connection, session_id: str, renew_for: int | None = None
    ) -> tuple[bytes | None, bool]:
        """What is stored of a session, None if that cannot be read; and whether it is stored as it would be now."""
        try:
            found = await self.store_of(connection).get_stored(session_id, renew_for)
            return (None, True) if found is None else (found.value, found.current)
        except DecryptionError as error:
            # Its user can log in again. An error would be all that their browser ever gets, as it keeps the cookie.
            logger.warning("a session counts as none: %s", error)
            return None, True

    # -- what becomes of the session

    async def save(self, session: ScopeSession, connection: Connection, *, keep_id: bool = False) -> bool:
        """Bring what is stored in line with a session.

        Args:
            session: What the session of the connection is to be.
            connection: The connection.
            keep_id: Whether it is too late to tell the browser of another id: the session keeps the one it has, and
                none is begun.

        Returns:
            Whether anything was written.
        """
        state = state_of(connection)
        if keep_id and state.stored_id is not None:
            state.session_id = state.stored_id
        empty = session is Empty or not session
        ended = state.stored_id is not None and (empty or state.is_cleared(connection))
        if ended:
            await self.store_of(connection).delete(cast("str", state.stored_id))
            if state.session_id == state.stored_id:
                state.session_id = self.generate_session_id()
            state.stored_id = None
        if empty or (keep_id and state.stored_id is None):
            return ended
        state.cleared = False
        set_session_id(connection, state.session_id)
        data = self.serialize_data(session, connection.scope)
        if state.stored_id is None:
            owner = self.config.owner_of(session)
            await self.store_of(connection).set(state.session_id, data, self.config.max_age, owner=owner)
        elif state.session_id == state.stored_id and self._unchanged(state.stored, data):
            if not state.is_current:
                await self._store_anew(connection, state, session)
            return False
        elif (replaced := await self._replace(connection, state, session, data)) is None:
            state.stored_id = None
            return False
        else:
            data = replaced
        state.stored_id, state.stored = state.session_id, data
        return True

    def _unchanged(self, stored: bytes, data: bytes) -> bool:
        # A database that holds JSON may give it back in another spelling.
        return stored == data or self.serialize_data(self.deserialize_data(stored)) == data

    async def _store_anew(self, connection: Connection, state: SessionState, session: Any) -> None:
        """Store a session that has not changed as it would be stored now, unless somebody changes it meanwhile."""
        store, session_id = self.store_of(connection), cast("str", state.stored_id)
        life = self.config.max_age if self.config.renew_on_access else await store.expires_in(session_id)
        if life:
            owner = self.config.owner_of(session)
            await store.replace(session_id, state.stored, life, expected=state.stored, owner=owner)
        state.is_current = True

    async def _replace(self, connection: Connection, state: SessionState, session: Any, data: bytes) -> bytes | None:
        """Store a session that has changed, or has got another id; what was stored, None if it has ended."""
        base = state.stored
        for _ in range(MAX_MERGES if self.config.on_conflict == "merge" else 0):
            if await self._replace_once(connection, state, session, data, base):
                return data
            theirs, _ = await self._get(connection, cast("str", state.stored_id))
            if theirs is None:
                return None
            session = _merge(self.deserialize_data(base), self.deserialize_data(data), self.deserialize_data(theirs))
            data = self.serialize_data(session, connection.scope)
            base = theirs
        return data if await self._replace_once(connection, state, session, data, None) else None

    async def _replace_once(
        self,
        connection: Connection,
        state: SessionState,
        session: Any,
        data: bytes,
        expected: bytes | None,
    ) -> bool:
        """Store a session in place of what is stored, if that is as expected; returns whether it was."""
        store = self.store_of(connection)
        stored_id = cast("str", state.stored_id)
        owner = self.config.owner_of(session)
        if state.session_id == stored_id:
            return await store.replace(stored_id, data, self.config.max_age, expected=expected, owner=owner)
        # Somebody else may know the old id: it never gets what comes with the new one. And only who ends the session
        # under the old id has it under the new one, so that one that has ended meanwhile does not go on.
        await store.set(state.session_id, data, self.config.max_age, owner=owner)
        if await store.replace(stored_id, b"{}", 0, expected=expected):
            return True
        await store.delete(state.session_id)
        return False

    def _cookie(self, value: str, max_age: int) -> str:
        config = self.config
        return Cookie(
            key=config.key,
            value=value,
            max_age=max_age,
            path=config.path,
            domain=config.domain,
            secure=config.secure,
            httponly=config.httponly,
            samesite=config.samesite,
        ).to_header(header="")


def _merge(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """``theirs`` with the top-level entries that ``mine`` changed, added or removed since ``base``."""
    missing = object()
    changed = {key: value for key, value in mine.items() if base.get(key, missing) != value}
    removed = base.keys() - mine.keys()
    return {key: value for key, value in theirs.items() if key not in removed} | changed
