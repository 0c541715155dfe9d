"""Litestar stores on SQL databases, for server-side sessions, response caching and rate limiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    UnavailableError,
    ValueTooLargeError,
)
from litestar_sqlstores.factory import BACKENDS, KnownBackend, create_store, load_backend, register_backend
from litestar_sqlstores.observability import Observer, Observers
from litestar_sqlstores.plugin import SQLStoresPlugin
from litestar_sqlstores.rate_limits import SQLRateLimitConfig
from litestar_sqlstores.sessions import SQLSessionConfig, end_sessions, list_sessions, rotate_session_id
from litestar_sqlstores.store import BaseSQLSpecStore

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
    "InvalidKeyError",
    "InvalidValueError",
    "KnownBackend",
    "MissingDriverError",
    "MissingTableError",
    "Observer",
    "Observers",
    "OracleStore",
    "OverloadedError",
    "SQLRateLimitConfig",
    "SQLSessionConfig",
    "SQLStoresPlugin",
    "ScheduledCleanup",
    "SchemaError",
    "SpannerStore",
    "StoreError",
    "StoreTimeoutError",
    "UnavailableError",
    "ValueTooLargeError",
    "create_store",
    "end_sessions",
    "list_sessions",
    "register_backend",
    "rotate_session_id",
)


def __getattr__(name: str) -> Any:
    """Import a backend when it is asked for: each needs a driver that may not be installed."""
    for backend in BACKENDS:
        if backend.store_name == name:
            return load_backend(backend)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
