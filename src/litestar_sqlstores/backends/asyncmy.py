"""MySQL and MariaDB through asyncmy."""

from __future__ import annotations

from asyncmy.cursors import Cursor
from asyncmy.errors import InterfaceError, MySQLError
from sqlspec.adapters.asyncmy import AsyncmyConfig

from litestar_sqlstores.backends.mysql import MySQLBackend
from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("AsyncmyBackend", "AsyncmyStore")


class AsyncmyBackend(MySQLBackend[AsyncmyConfig]):
    """The statements of MySQL and MariaDB through asyncmy."""

    cursor_class = Cursor
    driver_error = MySQLError
    interface_error = InterfaceError


class AsyncmyStore(BaseSQLSpecStore[AsyncmyConfig]):
    """A store on MySQL 8.0.19 or later, or MariaDB 10.6 or later, through asyncmy, which is written in Cython.

    As :class:`~litestar_sqlstores.AiomysqlStore`, but for the config, SQLSpec's ``AsyncmyConfig``.
    """

    backend = AsyncmyBackend
