"""What handlers do with sessions: change the id, and list and end all that somebody has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from litestar.types import Empty

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.sessions.saving import store_of
from litestar_sqlstores.sessions.state import Connection, set_session_id, state_of

__all__ = ("SessionInfo", "end_sessions", "list_sessions", "rotate_session_id")


@dataclass(frozen=True)
class SessionInfo:
    """One of an owner's sessions. What it is known by is never told.

    Attributes:
        created_at: When it was first stored.
        renewed_at: When it was last written or renewed.
        expires_at: When it ends if nothing happens; None for never.
        current: Whether it is the session of the connection that asked.
    """

    created_at: datetime
    renewed_at: datetime
    expires_at: datetime | None
    current: bool


def rotate_session_id(connection: Connection) -> str:
    """Give the session of a connection a new id: at log-in, and whenever rights change.

    The session moves with the response; its old id is worth nothing from then on.

    Args:
        connection: The request or websocket, before its first message is sent.

    Returns:
        The new id.

    Raises:
        ConfigurationError: The connection has no session of :class:`SQLSessionConfig`.
    """
    state = state_of(connection)
    state.cleared = state.is_cleared(connection)
    if state.cleared and connection.scope.get("session") is Empty and isinstance(state.session, dict):
        # It was cleared: an empty one for handlers to fill.
        state.session.clear()
        connection.scope["session"] = state.session
    state.rotated = True
    state.session_id = state.backend.generate_session_id()
    set_session_id(connection, state.session_id)
    return state.session_id


async def list_sessions(connection: Connection, owner: object | None = None, *, limit: int = 1000) -> list[SessionInfo]:
    """The sessions of an owner, the ones last used first.

    Args:
        connection: The request or websocket.
        owner: Whose sessions, such as the id of a user; by default those of the owner of the connection's session.
        limit: How many at most.

    Raises:
        ConfigurationError: The connection's session has no owner, or is none of :class:`SQLSessionConfig`.
    """
    state = state_of(connection)
    store = store_of(state)
    current = None if state.stored_id is None else store.digest(state.stored_id)
    return [
        SessionInfo(entry.created_at, entry.updated_at, entry.expires_at, current=entry.digest == current)
        for entry in await store.list_owned(_owner(connection, owner), limit=limit)
    ]


async def end_sessions(connection: Connection, owner: object | None = None, *, except_current: bool = False) -> int:
    """End the sessions of an owner, on all devices: after a change of password, say.

    Args:
        connection: The request or websocket.
        owner: Whose sessions, such as the id of a user; by default those of the owner of the connection's session.
        except_current: Whether the connection's own session goes on.

    Returns:
        How many were ended.

    Raises:
        ConfigurationError: The connection's session has no owner, or is none of :class:`SQLSessionConfig`.
    """
    state = state_of(connection)
    store = store_of(state)
    owner = _owner(connection, owner)
    ended = await store.delete_owned(owner, keep=state.stored_id if except_current else None)
    if owner == _own_owner(connection) and not except_current:
        connection.clear_session()
    return ended


def _owner(connection: Connection, owner: object | None) -> str:
    found = _own_owner(connection) if owner is None else str(owner)
    if found is None:
        owner_key = state_of(connection).backend.config.owner_key
        if owner_key is None:
            msg = "sessions have no owners: set SQLSessionConfig(owner_key=...) to the entry that holds the user's id"
        else:
            msg = f"the session has no owner (owner_key is {owner_key!r}): log in first, or pass owner="
        raise ConfigurationError(msg)
    return found


def _own_owner(connection: Connection) -> str | None:
    state = state_of(connection)
    session = state.session_in(connection)
    return None if not session or session is Empty else state.backend.config.owner_of(session)
