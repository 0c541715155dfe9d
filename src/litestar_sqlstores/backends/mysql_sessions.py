"""Sessions at the server: which one a connection has, and how one is ended from outside."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from litestar_sqlstores.backends.mysql_client import Connection, Statements
from litestar_sqlstores.backends.mysql_errors import UNKNOWN_SESSION

__all__ = ("Session", "end_session", "session_of")

POLL_SECONDS = 0.02
CLOCK_SECONDS = 2
"""How far the start of one process may seem to move: it is computed from whole seconds."""


class Server(NamedTuple):
    """The process of a server.

    Attributes:
        host: Its own name.
        port: Where it listens.
        server_id: Its number among those that replicate.
    """

    host: str
    port: int
    server_id: int


class Session(NamedTuple):
    """A session at a server.

    Attributes:
        number: What the server calls it. After a restart, another session may have it.
        server: The server.
        started: When its process started, in seconds since 1970 by its own clock.
    """

    number: int
    server: Server
    started: int

    def may_be_at(self, other: Session) -> bool:
        """Whether another session is one of the same process."""
        return self.server == other.server and abs(self.started - other.started) <= CLOCK_SECONDS


async def end_session(statements: Statements, connection: Connection, session: Session) -> None:
    """See to it that what was sent in a session takes no effect any more.

    Closing its connection does not do that: a statement that waits for a lock does not notice, and writes when it has
    the lock. The session is killed, not its statement alone: several statements travel together, and the next one would
    run. A session that is gone has rolled back what it had not committed.

    Args:
        statements: The statements.
        connection: A connection of its own, which must have what the statements rely on.
        session: The session to end. It is not touched if the connection leads to another server, or to one that has
            restarted: that has never heard of it, and may have another session of its number.
    """
    if not session.may_be_at(await session_of(statements, connection)):
        return
    while await _kill(statements, connection, session.number):  # noqa: ASYNC110 - it ends in another process
        await asyncio.sleep(POLL_SECONDS)


async def _kill(statements: Statements, connection: Connection, number: int) -> bool:
    """Kill a session; whether it was still there. It is until it has rolled back."""
    try:
        await statements.run(connection, "kill_session", session=number)
    except Exception as error:
        if error.args[:1] == (UNKNOWN_SESSION,):
            return False
        raise
    return True


async def session_of(statements: Statements, connection: Connection) -> Session:
    """The session of a connection."""
    (number, host, port, server_id, now), (_, uptime) = await statements.fetch(connection, "identify_session")
    return Session(number, Server(host, port, server_id), now - int(uptime))
