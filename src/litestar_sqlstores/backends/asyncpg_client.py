"""Connections of asyncpg in bounded time: how they come, what is known of them, and how they go."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol, cast

import asyncpg
from asyncpg import connect_utils
from sqlspec.adapters.asyncpg import AsyncpgConfig

from litestar_sqlstores.coalescing import Kill

__all__ = ("Connection", "Session", "borrow", "goes_through_a_pooler")

RELEASE_SECONDS = 2.0
"""How long a pool may take to reset a connection that comes back, before it throws it away."""
CLOSE_SECONDS = 1.0
"""How long the server may take to cancel a statement before its connection is cut."""
_OF_CONNECTIONS = inspect.signature(asyncpg.connect).parameters.keys()
"""The settings of a pool that its connections have."""


class Connection(Protocol):
    """What this backend needs of asyncpg's connections, and of the proxies that its pool hands out."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, or a script; its status."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """Run a statement; its rows."""
        ...

    def get_server_version(self) -> Any:
        """The version of the server, with its ``major`` number."""

    def is_closed(self) -> bool:
        """Whether it has ended."""
        ...

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - as asyncpg has it
        """Cancel what runs and close."""


class Session:
    """A connection for as long as the store has it.

    Args:
        connection: What the pool has handed out. When the connection ends, that forgets it.
    """

    __slots__ = ("_cancel", "connection", "execute", "fetch")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.fetch = connection.fetch
        self.execute = connection.execute
        raw = cast("Any", connection)
        protocol = raw._protocol
        # What asyncpg itself cancels by; no public name leads there.
        self._cancel = partial(_cancel, raw._addr, raw._params, protocol.backend_pid, protocol.backend_secret)

    async def discard(self) -> Kill | None:
        """End the connection; returns how to cancel its statement, unless the server has said that none is left."""
        # One that has ended is an InterfaceError, since the pool has taken it back already.
        with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError, asyncio.TimeoutError):
            if not self.connection.is_closed():
                # That waits until the server has cancelled what it runs.
                await self.connection.close(timeout=CLOSE_SECONDS)
                return None
        return self._cancel


async def _cancel(address: Any, parameters: Any, backend_pid: int, backend_secret: int) -> None:
    """Have a server cancel what it runs for a session.

    It knows the session by a secret beside its id, so that no other one is harmed, wherever the address leads by now.

    Raises:
        OSError, TimeoutError: It cannot be reached.
    """
    loop = asyncio.get_running_loop()
    # Where nobody listens any more, the server has ended, and its sessions with it.
    with suppress(ConnectionRefusedError, ConnectionResetError, FileNotFoundError):
        await connect_utils._cancel(
            loop=loop, addr=address, params=parameters, backend_pid=backend_pid, backend_secret=backend_secret
        )


@asynccontextmanager
async def borrow(config: AsyncpgConfig) -> AsyncIterator[Session]:
    """Take a connection from a config's pool, and give it back within a bounded time."""
    pool: Any = await config.provide_pool()
    connection = await pool.acquire()
    try:
        yield Session(connection)
    finally:
        await pool.release(connection, timeout=RELEASE_SECONDS)


async def goes_through_a_pooler(connection_config: Mapping[str, Any]) -> bool:
    """Whether another program hands connections on, as PgBouncer does: then the server's process is not the one named.

    Statements prepared by name may be unknown on the next connection, or known there already.
    """
    settings = {name: value for name, value in connection_config.items() if name in _OF_CONNECTIONS}
    connection = await asyncpg.connect(**{**settings, "statement_cache_size": 0})
    try:
        return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())
    finally:
        await connection.close(timeout=CLOSE_SECONDS)
