"""Connections to MySQL and MariaDB, through any driver whose connections are those of aiomysql."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ClassVar, TypeVar, cast
from weakref import WeakKeyDictionary

from litestar_sqlstores.backends.base import Backend, too_old
from litestar_sqlstores.backends.mysql_client import Connection, Statements
from litestar_sqlstores.backends.mysql_errors import FAILURES, STATEMENT_LOG, UNKNOWN_DATABASE
from litestar_sqlstores.backends.mysql_sessions import Session, end_session, session_of
from litestar_sqlstores.coalescing import Failure, Kill
from litestar_sqlstores.errors import ConfigurationError, StoreError
from litestar_sqlstores.settings import Settings

__all__ = ("MySQLConnections",)

logger = logging.getLogger("litestar_sqlstores")

ConfigT = TypeVar("ConfigT")

OLDEST = {"MySQL": (8, 0, 19), "MariaDB": (10, 6)}
LOGS_STATEMENTS = (
    "the server logs statements (binlog_format = STATEMENT), and refuses what writes under READ COMMITTED, as the store"
    " does; set binlog_format = ROW or MIXED"
)
GALERA = (
    "the server is a node of a Galera cluster (wsrep_on), which loses updates when several nodes write: send all that"
    " writes to one node, as docs/operations.md says"
)
MAX_LOCK_WAIT = 50
"""Seconds; what MySQL and MariaDB wait for a lock by default."""
IDLE_SECONDS = 0.5
"""How long the connections that are at rest have to close when another one was lost."""


class MySQLConnections(Backend[ConfigT, Connection]):
    """Connections to MySQL and MariaDB, whose sessions are as the statements rely on, and what their errors mean."""

    dialect = "mysql"
    quote = "`"
    relaxes_not = "a MySQL server decides for all of its clients (innodb_flush_log_at_trx_commit, sync_binlog)"
    cursor_class: ClassVar[type[Any]]
    """The driver's plain cursor; the caller's config may have chosen another one."""
    driver_error: ClassVar[type[Exception]]
    """The base of the driver's errors; the first argument is the code."""
    interface_error: ClassVar[type[Exception]]
    """The one for a connection that cannot be used any more."""

    _server = "MariaDB"
    """As long as no connection has told."""
    _notes = "switch"
    """How notes are turned off. MariaDB has a variable of its own for that, and warns of the other one from 11.8 on."""

    def __init__(self, config: ConfigT, settings: Settings) -> None:
        super().__init__(config, settings)
        self._statements = Statements(self.sql, self.cursor_class)
        self._lock_wait = max(1, min(MAX_LOCK_WAIT, int(settings.timeout / 3)))
        self._sessions = WeakKeyDictionary[Connection, tuple[int, Session]]()

    def variants(self) -> tuple[str, ...]:
        data_format, server = self.settings.data_format, self._server.lower()
        return data_format, server, f"{data_format}_{server}", self._notes

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with super().connect() as connection:
            if not self.is_as_secure_as_asked(connection):
                connection.close()
                msg = "the server does not encrypt connections, and TLS is asked for (ssl); turn it on there"
                raise ConfigurationError(msg)
            if not self._statements.max_packet:
                await self._meet_server(connection)
            await self._enter_session(connection)
            if self.owns_pool:
                yield connection
                return
            try:
                yield connection
            finally:
                try:
                    await self._statements.run(connection, "leave_session")
                except BaseException as error:
                    # Nobody may get it as it is.
                    connection.close()
                    if not isinstance(error, Exception):
                        raise

    async def _enter_session(self, connection: Connection) -> None:
        """Have a connection's session as the statements rely on it; once, if nobody changes it meanwhile."""
        known = self._sessions.get(connection)
        is_known = known is not None and known[0] == connection.thread_id()
        if not (self.owns_pool and is_known):
            await self._statements.run(connection, "enter_session", lock_wait=self._lock_wait)
        if not is_known:
            # Others may have connected anew.
            self._sessions[connection] = connection.thread_id(), await session_of(self._statements, connection)

    def is_as_secure_as_asked(self, connection: Connection) -> bool:  # noqa: ARG002 - for drivers that make sure of it
        """Whether a connection is encrypted, if it is to be."""
        return True

    async def _meet_server(self, connection: Connection) -> None:
        found = dict(await self._statements.fetch(connection, "server"))
        version = found["version"]
        server = "MariaDB" if "mariadb" in version.lower() else "MySQL"
        if tuple(map(int, re.findall(r"\d+", version)[:3])) < OLDEST[server]:
            needed = " or ".join(f"{name} {'.'.join(map(str, oldest))}" for name, oldest in OLDEST.items())
            raise too_old(f"server is {server} {version}", needed)
        if found["log_bin"] == found["sql_log_bin"] == "ON" and found.get("binlog_format") == "STATEMENT":
            raise ConfigurationError(LOGS_STATEMENTS)
        if found.get("wsrep_on") == "ON":
            logger.warning(GALERA)
        self._server = server
        self._notes = "verbosity" if "note_verbosity" in found else "switch"
        self.sql = self.load_sql()
        self._statements = Statements(self.sql, self.cursor_class, int(found["max_allowed_packet"]))

    async def discard(self, connection: Connection) -> Kill | None:
        _, session = self._sessions.pop(connection, (0, None))
        connection.close()
        if self.owns_pool:
            await self._discard_idle()
        return None if session is None else partial(self._end_session, session)

    async def _discard_idle(self) -> None:
        """Close the connections that are at rest: what happened to one of them most likely did to all."""
        pool = cast("Any", self.config).connection_instance
        with suppress(Exception):
            async with asyncio.timeout(IDLE_SECONDS):
                await pool.clear()

    async def _end_session(self, session: Session) -> None:
        # Not one of the pool's, which may be used up by those that wait for this very session.
        connection: Connection = await cast("Any", self.config).create_connection()
        try:
            await self._statements.run(connection, "enter_session", lock_wait=self._lock_wait)
            await end_session(self._statements, connection, session)
        finally:
            connection.close()

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, self.driver_error):
            code = error.args[0] if error.args else None
            if not isinstance(code, int) or not code:
                # From the driver itself, about the connection: it was closed before, or is out of step.
                return Failure.NOT_SENT if isinstance(error, self.interface_error) else Failure.DISCONNECTED
            # Without a schema it is the database of the connection that is unknown.
            if code == UNKNOWN_DATABASE and self.table.schema:
                return Failure.MISSING_SCHEMA
            return FAILURES.get(code, Failure.OTHER)
        if isinstance(error, OSError):
            return Failure.DISCONNECTED
        return Failure.BAD_VALUE if isinstance(error, ValueError) else Failure.OTHER

    def describe(self, error: Exception) -> StoreError:
        if isinstance(error, self.driver_error) and error.args[:1] == (STATEMENT_LOG,):
            described = ConfigurationError(LOGS_STATEMENTS)
            described.__cause__ = error
            return described
        return super().describe(error)
