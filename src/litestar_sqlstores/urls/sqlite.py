"""URLs of SQLite, as SQLAlchemy writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.urls.options import (
    COUNT,
    FLAG,
    SECONDS,
    TEXT,
    Option,
    already,
    choice,
    query_pairs,
    read_options,
    refused,
)

__all__ = ("connection_config",)

_KIND = "a SQLite URL"
_EXAMPLES = "write sqlite:///relative/path.db, sqlite:////absolute/path.db or sqlite://"
_WRITES = "a store writes"
# Those of a file: URL, which SQLite itself reads.
_OF_FILES: Mapping[str, Option] = {
    "mode": Option("mode", choice("rw", "rwc", "memory"), _WRITES),
    "cache": Option("cache", choice("shared", "private")),
    "vfs": Option("vfs", TEXT),
    "psow": Option("psow", choice("0", "1")),
    "nolock": already(choice("0"), "processes and threads share the file"),
    "immutable": already(choice("0"), _WRITES),
}
_KNOWN: Mapping[str, Option] = {
    # Seconds that the application's own statements wait; the store waits as long as its calls may take.
    "timeout": Option("timeout", SECONDS),
    "uri": Option("uri", FLAG),
    "cached_statements": Option("cached_statements", COUNT),
    # Each connection has a thread of its own, which nothing leaves.
    "check_same_thread": already(FLAG),
    "isolation_level": refused("the store begins and ends its own transactions"),
    "detect_types": already(choice("0"), "the store reads what is there"),
    **_OF_FILES,
}


def connection_config(url: str, connections: int) -> Mapping[str, Any]:
    """What a URL says, for aiosqlite: the path of a file, or nothing for a database in memory.

    Args:
        url: The URL.
        connections: How many the pool has at most.

    Raises:
        ConfigurationError: The URL cannot be honoured.
    """
    parts = urlsplit(url)
    if parts.netloc or parts.fragment:
        extra = f"host {parts.hostname!r}" if parts.netloc else "part behind a #"
        msg = f"{_KIND} has no {extra}; {_EXAMPLES}"
        raise ConfigurationError(msg)
    options = read_options(_KIND, query_pairs(parts.query), _KNOWN)
    of_file = {name: options.pop(name) for name in _OF_FILES if name in options}
    path = parts.path.removeprefix("/")
    if options.get("uri"):
        if not path.startswith("file:"):
            msg = f"with uri=true, {_KIND} has a path that begins with file: as in sqlite:///file:app.db?uri=true"
            raise ConfigurationError(msg)
        # SQLite decodes it.
        database = f"{path}?{urlencode(of_file)}" if of_file else path
    elif of_file:
        msg = (
            f"in {_KIND}, the option {next(iter(of_file))} is one of a file: URL:"
            f" sqlite:///file:app.db?uri=true&{next(iter(of_file))}=..."
        )
        raise ConfigurationError(msg)
    else:
        database = unquote(path)
    return {"database": database or ":memory:", "pool_size": connections, **options}
