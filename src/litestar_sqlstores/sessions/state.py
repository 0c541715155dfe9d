"""What a connection knows of its session, from the time it is loaded until it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from litestar.connection import ASGIConnection
from litestar.types import Empty

from litestar_sqlstores.errors import ConfigurationError

if TYPE_CHECKING:
    from litestar_sqlstores.sessions.backend import SQLSessionBackend

__all__ = ("Connection", "SessionState", "find_state", "session_of", "set_session_id", "start_state", "state_of")

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

_SCOPE_KEY = "litestar_sqlstores.session"


@dataclass(slots=True)
class SessionState:
    """What a connection knows of its session."""

    backend: SQLSessionBackend
    session_id: str
    """The id that the session has, or will have once it is stored."""
    stored_id: str | None = None
    """The id that it is stored under."""
    stored: bytes = b""
    """What is stored there."""
    is_current: bool = True
    """Whether it is stored as it would be now; if not, it is stored again even if it has not changed."""
    cleared: bool = False
    """Whether it was cleared: what is put into it after that is another session."""
    failed: bool = False
    """Whether it could not be stored."""

    def is_cleared(self, connection: Connection) -> bool:
        """Whether it was cleared, also if nobody has noticed yet."""
        return self.cleared or connection._connection_state.session_id is Empty


def start_state(connection: Connection, state: SessionState) -> None:
    """Have a connection remember what it knows of its session."""
    cast("dict[str, Any]", connection.scope)[_SCOPE_KEY] = state


def find_state(connection: Connection) -> SessionState | None:
    """What a connection knows of its session; None if it has none of ``SQLSessionConfig``."""
    return cast("dict[str, Any]", connection.scope).get(_SCOPE_KEY)


def state_of(connection: Connection) -> SessionState:
    """What a connection knows of its session.

    Raises:
        ConfigurationError: It has none of ``SQLSessionConfig``.
    """
    state = find_state(connection)
    if state is None:
        msg = (
            "the connection has no session of SQLSessionConfig; put its middleware on this route, or do not exclude it"
        )
        raise ConfigurationError(msg)
    return state


def session_of(connection: Connection) -> Any:
    """What handlers have put into the session of a connection."""
    return connection.scope.get("session")


def set_session_id(connection: Connection, session_id: str) -> None:
    """Have ``connection.get_session_id()`` tell an id."""
    connection._connection_state.session_id = session_id
