"""What a connection knows of its session, from the time it is loaded until it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from litestar.connection import ASGIConnection
from litestar.types import Empty, EmptyType
from litestar.utils.scope.state import ScopeState

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.sessions.data import Session
from litestar_sqlstores.sessions.layers import is_foreign_mount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from litestar import Litestar
    from litestar.types import Scope

    from litestar_sqlstores.sessions.backend import SQLSessionBackend

__all__ = ("Connection", "SessionState", "find_state", "known_states", "set_session_id", "state_of", "states_of")

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

_SCOPE_KEY = "litestar_sqlstores.sessions"
_NONE: Any = object()


@dataclass(slots=True, eq=False)
class SessionState:
    """What a connection knows of its session.

    It is made when the session is loaded and is the only thing that is believed later: the scope may be another
    application's by then, or a copy.
    """

    backend: SQLSessionBackend
    app: Litestar
    """The application whose middleware loaded the session."""
    connection: Connection
    """The connection as the middleware has it. The layers around may have copied its scope, those within its state."""
    session_id: str
    """The id that the session has, or will have once it is stored."""
    stored_id: str | None = None
    """The id that it is stored under."""
    stored: bytes = b""
    """What is stored there."""
    session: Any = field(default_factory=Session)
    """What was handed to the handlers."""
    current: bool = True
    """Whether it is stored as it would be now; if not, it is stored again even if it has not changed."""
    renewed: bool = False
    """Whether it got a new expiry when it was loaded, which its cookie does not have yet."""
    others: Sequence[str] = ()
    """The ids of other sessions whose cookies the browser sent along."""
    unknown: Sequence[str] = ()
    """The ids that the browser sent and the store does not have."""
    rotated: bool = False
    """Whether the application asked for another id."""
    cleared: bool = False
    """Whether it was cleared: what is put into it after that is another session."""
    replaceable: bool = True
    """Whether another object in the scope is what a handler of the application has set."""
    clearable: bool = True
    """Whether a session that was cleared is this one."""
    tells_id: bool = True
    """Whether the layers within may learn the id: Litestar's own middleware would take it for that of its own."""
    has_sessions: Callable[[Litestar], bool] = lambda _: False
    """Whether a mounted application has sessions of its own."""
    settled: bool = False
    """Whether the response has begun, or could not."""
    outer: Any = _NONE
    """What a layer around has put into the scope as its session."""
    outer_id: str | EmptyType | None = Empty
    """The id of that."""
    taken: Any = _NONE
    """What the session is to be, while that of the layer around is in the scope."""
    failure: Exception | None = None
    """Why it could not be stored."""

    def is_cleared(self, connection: Connection) -> bool:
        """Whether it was cleared, also if nobody has noticed yet."""
        return self.cleared or (self._is_clearable(connection) and connection._connection_state.session_id is Empty)

    def session_in(self, connection: Connection) -> Any:
        """What the session of a connection is to be: what was handed out, unless it was set to something else."""
        if self.taken is not _NONE:
            return self.taken
        found = connection.scope.get("session", self.session)
        if found is self.session:
            # One that was cleared in a copy of the scope is still in this one.
            return Empty if self.is_cleared(connection) and not self.cleared else self.session
        if found is Empty:
            return Empty if self._is_clearable(connection) else self.session
        return found if self._is_set_by_handler(connection) else self.session

    def _is_clearable(self, connection: Connection) -> bool:
        inner = connection.scope["litestar_app"]
        return self.clearable and (inner is self.app or not self.has_sessions(inner))

    def _is_set_by_handler(self, connection: Connection) -> bool:
        """Whether what is in the scope is no session of another middleware within."""
        scope = connection.scope
        if scope["litestar_app"] is self.app:
            return self.replaceable
        return self._is_clearable(connection) and not is_foreign_mount(scope["route_handler"])

    def give_way(self) -> None:
        """Put the session of a layer around into the scope again: it is about to store what it finds there."""
        if self.outer is not _NONE:
            self.taken, self.cleared = self.session_in(self.connection), self.is_cleared(self.connection)
            self._put(self.outer, self.outer_id)

    def take_back(self) -> None:
        """Put the session into the scope again, for what handlers do after their response has begun."""
        if self.taken is not _NONE:
            self._put(self.taken, Empty if self.taken is Empty else self.session_id)
            self.taken = _NONE

    def leave(self) -> None:
        """Leave the scope to the layers around."""
        if self.outer is not _NONE:
            self._put(self.outer, self.outer_id)

    def enter(self) -> None:
        """Put the session into the scope."""
        scope = self.connection.scope
        self.outer, self.outer_id = scope.get("session", _NONE), self.connection._connection_state.session_id
        self._put(self.session, self.session_id if self.tells_id else None)

    def _put(self, session: Any, session_id: str | EmptyType | None) -> None:
        self.connection.scope["session"] = session
        self.connection._connection_state.session_id = session_id

    def was_used(self, session: Any) -> bool:
        """Whether a response depends on the session, given what that is to be."""
        return session is not self.session or getattr(session, "accessed", True)


def states_of(scope: Scope) -> list[SessionState]:
    """The sessions of a connection, that of the innermost middleware last; copies of the scope share the list."""
    items = cast("dict[str, Any]", scope)
    if _SCOPE_KEY not in items:
        items[_SCOPE_KEY] = _shared_by_copies(scope).setdefault(_SCOPE_KEY, [])
    return cast("list[SessionState]", items[_SCOPE_KEY])


def known_states(scope: Scope) -> list[SessionState] | None:
    """As :func:`states_of`, for who only looks; None if no middleware has begun a list."""
    states: list[SessionState] | None = scope.get(_SCOPE_KEY)  # type: ignore[assignment]
    return _shared_by_copies(scope).get(_SCOPE_KEY) if states is None else states


def _shared_by_copies(scope: Scope) -> dict[str, Any]:
    """What is known of a connection by copies of its scope that were made before.

    It is what Litestar's ``get_litestar_scope_state`` finds a name in, after an exception for each that is not its own.
    """
    return ScopeState.from_scope(scope)._compat_ns


def find_state(connection: Connection) -> SessionState | None:
    """What a connection knows of its session; None if it has none of ``SQLSessionConfig``."""
    states = connection.scope.get(_SCOPE_KEY)
    return cast("list[SessionState]", states)[-1] if states else None


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


def set_session_id(connection: Connection, session_id: str) -> None:
    """Have ``connection.get_session_id()`` tell an id."""
    connection._connection_state.session_id = session_id
