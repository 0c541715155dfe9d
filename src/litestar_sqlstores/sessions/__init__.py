"""Server-side sessions that make use of what the store can do.

Litestar's own ``ServerSideSessionConfig`` works with every store of this package. :class:`SQLSessionConfig` takes its
place and changes this:

- A session id counts only if the store knows it. What else a cookie holds is ignored, so nobody can plant an id in
  somebody's browser and wait for them to log in (session fixation, CWE-384).
- A session that was not touched writes nothing but a renewal that is due. An empty one has no row and no cookie.
- A session that ended while a request was under way stays ended; the request's changes go nowhere.
- The id can be changed at log-in (:func:`rotate_session_id`), and an owner's sessions can be listed and ended.
- Changes that a websocket handler makes are stored, too.

The parts: ``config`` is what an application sets, and ``actions`` what its handlers call. ``middleware`` says when a
session is loaded and stored, and ``state`` is what a connection knows of its session meanwhile. ``backend`` is what
Litestar knows of that: ``loading`` finds the session, ``saving`` stores it (``conflicts``, if others did so meanwhile),
and ``cookies`` reads and writes headers. ``data`` is the dict that handlers see.
"""

from __future__ import annotations

from litestar_sqlstores.sessions.actions import SessionInfo, end_sessions, list_sessions, rotate_session_id
from litestar_sqlstores.sessions.backend import SQLSessionBackend
from litestar_sqlstores.sessions.config import SQLSessionConfig
from litestar_sqlstores.sessions.middleware import SQLSessionMiddleware, StoreSessions

__all__ = (
    "SQLSessionBackend",
    "SQLSessionConfig",
    "SQLSessionMiddleware",
    "SessionInfo",
    "StoreSessions",
    "end_sessions",
    "list_sessions",
    "rotate_session_id",
)
