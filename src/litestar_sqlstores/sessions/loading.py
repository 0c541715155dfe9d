"""How the session of a connection is found."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from litestar_sqlstores.errors import DecryptionError
from litestar_sqlstores.sessions.data import Session
from litestar_sqlstores.sessions.state import Connection, SessionState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Litestar

    from litestar_sqlstores.sessions.backend import SQLSessionBackend

__all__ = ("find_session", "load_session")

logger = logging.getLogger("litestar_sqlstores")


async def load_session(backend: SQLSessionBackend, connection: Connection, ids: Sequence[str]) -> SessionState:
    """Find the session of a connection: of the first id that the store knows, or else an empty one.

    Args:
        backend: How sessions are stored.
        connection: The connection.
        ids: What its cookies hold.
    """
    app = connection.scope["litestar_app"]
    if len(ids) == 1:
        state = await find_session(backend, app, connection, ids[0])
    else:
        state = await _find_first(backend, app, connection, ids)
    return state or SessionState(backend, app, connection, backend.generate_session_id(), unknown=ids)


async def _find_first(
    backend: SQLSessionBackend, app: Litestar, connection: Connection, ids: Sequence[str]
) -> SessionState | None:
    found = await asyncio.gather(*(find_session(backend, app, connection, session_id) for session_id in ids))
    known = [each for each in found if each is not None]
    if not known:
        return None
    first, *others = known
    first.others = [other.session_id for other in others]
    return first


async def find_session(
    backend: SQLSessionBackend, app: Litestar, connection: Connection, session_id: str
) -> SessionState | None:
    """A session of an application, if it is there and can be read.

    What cannot be read counts as none and is left as it is: its user can log in again. An error would be all that their
    browser ever gets, as it keeps the cookie.
    """
    config = backend.config
    store = config.get_store_from_app(app)
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
    return SessionState(
        backend,
        app,
        connection,
        session_id,
        stored_id=session_id,
        stored=found.value,
        session=Session(data) if type(data) is dict else data,
        current=found.current,
        renewed=found.renewed,
    )
