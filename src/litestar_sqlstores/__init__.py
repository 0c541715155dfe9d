"""Litestar stores on SQL databases, for server-side sessions, response caching and rate limiting."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from litestar_sqlstores.cleanup import ScheduledCleanup
from litestar_sqlstores.errors import (
    ClosedError,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    DecryptionError,
    DurationError,
    InvalidKeyError,
    InvalidValueError,
    MissingDriverError,
    MissingTableError,
    OverloadedError,
    SchemaError,
    StoreError,
    StoreTimeoutError,
    TransientError,
    UnavailableError,
    ValueTooLargeError,
)
from litestar_sqlstores.factory import (
    BACKENDS,
    KnownBackend,
    create_store,
    is_installed,
    load_backend,
    register_backend,
)
from litestar_sqlstores.observability import Observer, Observers
from litestar_sqlstores.plugin import SQLStoresPlugin
from litestar_sqlstores.rate_limits import SQLRateLimitConfig
from litestar_sqlstores.sessions import SessionInfo, SQLSessionConfig, end_sessions, list_sessions, rotate_session_id
from litestar_sqlstores.settings import StoreOptions
from litestar_sqlstores.store import BaseSQLSpecStore, EntryInfo, NamespaceStats, OwnedEntry, StoredValue

if TYPE_CHECKING:
    from litestar_sqlstores.backends.aiomysql import AiomysqlStore
    from litestar_sqlstores.backends.aiosqlite import AiosqliteStore
    from litestar_sqlstores.backends.asyncmy import AsyncmyStore
    from litestar_sqlstores.backends.asyncpg import AsyncpgStore
    from litestar_sqlstores.backends.oracledb import OracleStore
    from litestar_sqlstores.backends.spanner import SpannerStore

__all__ = (
    "AiomysqlStore",
    "AiosqliteStore",
    "AsyncmyStore",
    "AsyncpgStore",
    "BaseSQLSpecStore",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "DecryptionError",
    "DurationError",
    "EntryInfo",
    "InvalidKeyError",
    "InvalidValueError",
    "KnownBackend",
    "MissingDriverError",
    "MissingTableError",
    "NamespaceStats",
    "Observer",
    "Observers",
    "OracleStore",
    "OverloadedError",
    "OwnedEntry",
    "SQLRateLimitConfig",
    "SQLSessionConfig",
    "SQLStoresPlugin",
    "ScheduledCleanup",
    "SchemaError",
    "SessionInfo",
    "SpannerStore",
    "StoreError",
    "StoreOptions",
    "StoreTimeoutError",
    "StoredValue",
    "TransientError",
    "UnavailableError",
    "ValueTooLargeError",
    "create_store",
    "end_sessions",
    "list_sessions",
    "register_backend",
    "rotate_session_id",
)


if not TYPE_CHECKING:  # to a type checker, a module with this has every name

    def __getattr__(name: str) -> type[BaseSQLSpecStore]:
        """Import a backend when it is asked for: each needs a driver that may not be installed."""
        for backend in BACKENDS:
            if backend.store_name == name:
                try:
                    return load_backend(backend)
                except MissingDriverError as error:
                    # `hasattr` wants the one; `from litestar_sqlstores import ...` would put a text in its place that
                    # does not name the extra.
                    if sys._getframe(1).f_code.co_name == "_handle_fromlist":
                        raise
                    raise AttributeError(str(error)) from error
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)

    # What `import *` brings: without the stores whose driver is not installed.
    _MISSING = {backend.store_name for backend in BACKENDS if not is_installed(backend)}
    __all__ = tuple(name for name in __all__ if name not in _MISSING)
