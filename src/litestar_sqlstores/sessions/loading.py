"""How the session of a connection is found."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from litestar_sqlstores.errors import DecryptionError
from litestar_sqlstores.sessions.data import Session
from litestar_sqlstores.sessions.state import Connection, SessionState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar_sqlstores.sessions.backend import SQLSessionBackend
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("FoundSession", "find_session", "load_session")

logger = logging.getLogger("litestar_sqlstores")


class FoundSession(NamedTuple):
    """A session that the store has.

    Attributes:
        session_id: Its id.
        stored: What is stored.
        data: That, decoded.
        current: Whether it is stored as it would be now.
        renewed: Whether it got a new expiry by being found.
    """

    session_id: str
    stored: bytes
    data: Any
    current: bool
    renewed: bool


async def load_session(backend: SQLSessionBackend, connection: Connection, ids: Sequence[str]) -> SessionState:
    """Find the session of a connection: of the first id that the store knows, or else an empty one.

    Args:
        backend: How sessions are stored.
        connection: The connection.
        ids: What its cookies hold.
    """
    app = connection.scope["litestar_app"]
    if not ids:
        return SessionState(backend, app, connection, backend.generate_session_id())
    store = backend.config.get_store_from_app(app)
    if len(ids) == 1:
        found = [await find_session(backend, store, ids[0])]
    else:
        found = await asyncio.gather(*(find_session(backend, store, session_id) for session_id in ids))
    known = [each for each in found if each is not None]
    if not known:
        return SessionState(backend, app, connection, backend.generate_session_id(), unknown=ids)
    first, *others = known
    return SessionState(
        backend,
        app,
        connection,
        first.session_id,
        stored_id=first.session_id,
        stored=first.stored,
        session=first.data,
        current=first.current,
        renewed=first.renewed,
        others=[other.session_id for other in others],
    )


async def find_session(
    backend: SQLSessionBackend, store: BaseSQLSpecStore[Any], session_id: str
) -> FoundSession | None:
    """A session, if it is there and can be read.

    What cannot be read counts as none and is left as it is: its user can log in again. An error would be all that their
    browser ever gets, as it keeps the cookie.
    """
    config = backend.config
    try:
        found = await store.get_stored(session_id, config.max_age if config.renew_on_access else None)
    except DecryptionError as error:
        logger.warning("a session counts as none: %s", error)
        return None
    if found is None:
        return None
    try:
        data = backend.deserialize_data(found.value)
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises
        logger.warning("a session counts as none: what is stored cannot be decoded (%s)", type(error).__name__)
        return None
    if data is None or isinstance(data, (list, str, int, float)):
        logger.warning("a session counts as none: what is stored is a %s, not an object", type(data).__name__)
        return None
    session = Session(data) if type(data) is dict else data
    return FoundSession(session_id, found.value, session, found.current, found.renewed)
