"""MySQL and MariaDB through aiomysql."""

from __future__ import annotations

from typing import Any

import aiomysql
from pymysql.err import InterfaceError, MySQLError
from sqlspec.adapters.aiomysql import AiomysqlConfig

from litestar_sqlstores.backends.mysql import MySQLBackend
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("AiomysqlBackend", "AiomysqlStore")


class AiomysqlBackend(MySQLBackend[AiomysqlConfig]):
    """The statements of MySQL and MariaDB through aiomysql."""

    cursor_class = aiomysql.Cursor
    driver_error = MySQLError
    interface_error = InterfaceError

    def is_as_secure_as_asked(self, connection: Any) -> bool:
        # Where the server says that it has no TLS, or somebody on the way says so, aiomysql goes on without.
        return bool(connection._secure) or not self.config.connection_config.get("ssl")


class AiomysqlStore(BaseSQLSpecStore[AiomysqlConfig]):
    """A store on MySQL 8.0.19 or later, or MariaDB 10.6 or later, through aiomysql.

    The arguments and errors are those of :class:`~litestar_sqlstores.BaseSQLSpecStore`; the config is SQLSpec's
    ``AiomysqlConfig``. It may have any charset, SQL mode, cursor class, isolation level and ``autocommit``: while the
    store has a connection, that has the settings which the store needs, and for everyone else its own ones.
    """

    backend = AiomysqlBackend
