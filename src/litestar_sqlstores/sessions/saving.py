"""What becomes of a session: it begins, changes, gets another id, ends, or stays as it was."""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import TYPE_CHECKING, Any, cast

from litestar.types import Empty

from litestar_sqlstores.sessions.conflicts import Turns, merge, retry_merging
from litestar_sqlstores.sessions.loading import find_session
from litestar_sqlstores.sessions.rotations import end_successors, forget_rotation, remember_rotation, was_rotated
from litestar_sqlstores.sessions.state import Connection, SessionState, set_session_id

if TYPE_CHECKING:
    from litestar.types import ScopeSession

    from litestar_sqlstores.sessions.backend import SQLSessionBackend
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("Saved", "Saving", "store_of")

logger = logging.getLogger("litestar_sqlstores")


class Saved(enum.Enum):
    """What became of a session."""

    NOTHING = enum.auto()
    """It is stored as it was, or not at all."""
    STORED = enum.auto()
    """It was stored, under an id or with an expiry that the browser does not know yet."""
    ENDED = enum.auto()
    """It was stored, and is not any more."""


class Saving:
    """Stores the sessions of one configuration.

    Args:
        backend: How they are encoded, and what they are limited to.
    """

    def __init__(self, backend: SQLSessionBackend) -> None:
        self._backend = backend
        self._config = backend.config
        self._turns = Turns()

    async def save(
        self, state: SessionState, session: ScopeSession, connection: Connection, *, keep_id: bool = False
    ) -> Saved:
        """Bring what is stored in line with a session.

        Args:
            state: What the connection knows of the session.
            session: What it is to be.
            connection: The connection.
            keep_id: Whether it is too late to tell the browser of another id: the session keeps the one it has, and
                none is begun.
        """
        if keep_id and state.stored_id is not None:
            state.session_id = state.stored_id
        if self._was_left_alone(state, session, connection):
            await self._store_anew(state, session)
            return Saved.NOTHING
        empty = session is Empty or not session
        cleared = session is Empty or state.is_cleared(connection)
        if empty and not cleared and state.stored_id is not None and self._config.on_conflict == "merge":
            # Others may have put something in.
            return await self._change(state, {}, b"{}", connection)
        ended = state.stored_id is not None and (empty or cleared)
        if ended:
            ended = await self._end(state, connection)
        if empty or (keep_id and state.stored_id is None):
            return Saved.ENDED if ended else Saved.NOTHING
        state.cleared = False
        data = self._backend.serialize_data(session, connection.scope)
        if state.stored_id is None:
            return await self._begin(state, session, data, connection)
        if state.session_id == state.stored_id:
            if self._is_unchanged(state.stored, data, connection):
                await self._store_anew(state, session)
                return Saved.NOTHING
            if not keep_id and self._is_another(state, session, data):
                state.session_id = self._backend.generate_session_id()
        set_session_id(connection, state.session_id)
        return await self._change(state, session, data, connection)

    async def _end(self, state: SessionState, connection: Connection) -> bool:
        """End a session; returns whether its cookie is to go."""
        store, stored_id = store_of(state), cast("str", state.stored_id)
        # A log-out is one whatever happened meanwhile. But taking the last entry out of a session does not mean the one
        # that has taken its place, whose cookie the browser has by now.
        goes = state.is_cleared(connection) or await store.replace(stored_id, b"{}", 0)
        # All that the browser sent along: one of them would be the session of its next request.
        ids = [stored_id, *state.others]
        await store.delete_many(ids)
        if state.is_cleared(connection):
            # The session may have got another id since it was loaded, or get it now: then it is not there to be moved.
            await end_successors(store, ids)
        self._forget(state)
        return goes

    def _forget(self, state: SessionState) -> None:
        """A session has ended: what comes after it is another one."""
        if state.session_id == state.stored_id:
            state.session_id = self._backend.generate_session_id()
        state.stored_id, state.others = None, ()

    async def _begin(self, state: SessionState, session: Any, data: bytes, connection: Connection) -> Saved:
        store, owner = store_of(state), self._config.owner_of(session)
        # Whoever logs in means to; but what a late request leaves must not take the place of the session that got a new
        # id meanwhile.
        if state.unknown and not state.rotated and owner is None and await was_rotated(store, state.unknown):
            logger.info("a request with the old id of a session that got a new one has changed nothing")
            return Saved.NOTHING
        set_session_id(connection, state.session_id)
        await store.set(state.session_id, data, self._config.max_age, owner=owner)
        state.stored_id, state.stored = state.session_id, data
        return Saved.STORED

    async def _change(self, state: SessionState, session: Any, data: bytes, connection: Connection) -> Saved:
        stored_id = cast("str", state.stored_id)
        if self._config.on_conflict == "merge":
            async with self._turns.turn(stored_id):
                changed = await self._merge(state, session, data, connection)
        else:
            changed = data if await self._replace(state, session, data, None) else None
        if changed is None:
            state.stored_id = None
            return Saved.NOTHING
        if not changed:
            await store_of(state).delete_many(state.others)
            self._forget(state)
            return Saved.ENDED
        if state.others and state.session_id != stored_id:
            # The browser may send one of their cookies first, that of a longer path, say.
            await store_of(state).delete_many(state.others)
        state.stored_id, state.stored = state.session_id, changed
        return Saved.STORED

    def _was_left_alone(self, state: SessionState, session: ScopeSession, connection: Connection) -> bool:
        """Whether nobody has even looked at a session, so that it need not be encoded to see that it is the same."""
        kept = state.stored_id is not None and state.session_id == state.stored_id
        return kept and not state.was_used(session) and not state.is_cleared(connection)

    def _is_unchanged(self, stored: bytes, data: bytes, connection: Connection) -> bool:
        # A database that holds JSON may give it back in another spelling.
        return (
            stored == data
            or self._backend.serialize_data(self._backend.deserialize_data(stored), connection.scope) == data
        )

    def _is_another(self, state: SessionState, session: Any, data: bytes) -> bool:
        """Whether a session is somebody else's now, such as of who has just logged in.

        Somebody may have planted the cookie with its id; they must not have a part in what comes next.
        """
        before = self._backend.deserialize_data(state.stored)
        if self._config.owner_key is not None:
            return self._config.owner_of(before) != self._config.owner_of(session)
        # Without owners, by what packages do that log in: they set another session.
        if session is state.session or not isinstance(before, dict):
            return False
        after = self._backend.deserialize_data(data)
        # Their values, too: whoever is logged in may have planted their own session.
        return any(key not in after or after[key] != value for key, value in before.items())

    async def _store_anew(self, state: SessionState, session: Any) -> None:
        """Store an unchanged session as it would be stored now, unless it is already, or somebody changes it."""
        if state.current:
            return
        store, session_id = store_of(state), cast("str", state.stored_id)
        life = self._config.max_age if self._config.renew_on_access else await store.expires_in(session_id)
        if life:
            owner = self._config.owner_of(session)
            await store.replace(session_id, state.stored, life, expected=state.stored, owner=owner)
        state.current = True

    async def _merge(self, state: SessionState, session: Any, data: bytes, connection: Connection) -> bytes | None:
        """Store a session together with what others have changed in it.

        Returns:
            What was stored: nothing (``b""``) if that was an empty session, which ends. None if it had ended.
        """
        store, stored_id = store_of(state), cast("str", state.stored_id)
        decoded, mine, base = self._backend.deserialize_data, data, state.stored
        stored: bytes | None = None

        async def attempt() -> bool:
            nonlocal session, mine, base, stored
            stored = mine if session else b""
            if session:
                replaced = await self._replace(state, session, mine, base)
            else:
                replaced = await store.replace(stored_id, b"{}", 0, expected=base)
            if replaced:
                return True
            theirs = await find_session(self._backend, state.app, connection, stored_id)
            if theirs is None:
                stored = None
                return True
            session = merge(decoded(base), decoded(mine), theirs.session)
            mine, base = self._backend.serialize_data(session, connection.scope), theirs.stored
            return False

        await retry_merging(attempt)
        return stored

    async def _replace(self, state: SessionState, session: Any, data: bytes, expected: bytes | None) -> bool:
        """Store a session in place of what is stored, if that is as expected; returns whether it was."""
        store, stored_id = store_of(state), cast("str", state.stored_id)
        owner = self._config.owner_of(session)
        if state.session_id == stored_id:
            return await store.replace(stored_id, data, self._config.max_age, expected=expected, owner=owner)
        # Somebody else may know the old id: it never gets what comes with the new one. And only who ends the session
        # under the old id has it under the new one, so that one that has ended meanwhile does not go on.
        await store.set(state.session_id, data, self._config.max_age, owner=owner)
        known = await was_rotated(store, [stored_id])
        if not known:
            await remember_rotation(store, stored_id, state.session_id)
        if await store.replace(stored_id, b"{}", 0, expected=expected):
            # Another request may have tried the same, and remembered that instead.
            await remember_rotation(store, stored_id, state.session_id)
            return True
        await asyncio.gather(store.delete(state.session_id), forget_rotation(store, stored_id, state.session_id))
        return False


def store_of(state: SessionState) -> BaseSQLSpecStore[Any]:
    """The store that holds a session: of the application that loaded it."""
    return state.backend.config.get_store_from_app(state.app)
