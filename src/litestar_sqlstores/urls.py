"""What a URL says, as the configs of SQLSpec take it.

Each function takes a URL and the number of connections that the pool shall have. No message holds the URL, which may
hold a password.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from litestar_sqlstores.errors import ConfigurationError

__all__ = ("mysql", "oracle", "postgresql", "spanner", "sqlite")


def _query_names(query: str) -> str:
    return "query option " + ", ".join(repr(name) for name, _ in parse_qsl(query, keep_blank_values=True))


def _split(url: str) -> SplitResult:
    """The parts of a URL with a host.

    Raises:
        ConfigurationError: What ends the host stands before the host: a password that is not quoted.
    """
    parts = urlsplit(url)
    if parts.fragment or "@" in parts.path or "@" in parts.query:
        msg = "the URL has a # or an @ where none can be; quote user and password with urllib.parse.quote"
        raise ConfigurationError(msg)
    return parts


def postgresql(url: str, connections: int) -> Mapping[str, Any]:
    """For asyncpg, which reads the URL itself."""
    parts = _split(url)
    # SQLAlchemy hands asyncpg's own `ssl` argument through; a PostgreSQL URL calls it sslmode.
    query = [("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)]
    dsn = urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))
    return {"dsn": dsn, "min_size": 1, "max_size": connections}


def sqlite(url: str, connections: int) -> Mapping[str, Any]:
    """For aiosqlite: the path of a file, or nothing for a database in memory."""
    parts = urlsplit(url)
    if parts.netloc or parts.query or parts.fragment:
        extra = (
            f"host {parts.hostname!r}"
            if parts.netloc
            else _query_names(parts.query)
            if parts.query
            else "part behind a #"
        )
        msg = f"a SQLite URL has no {extra}; write sqlite:///relative/path.db, sqlite:////absolute/path.db or sqlite://"
        raise ConfigurationError(msg)
    database = unquote(parts.path.removeprefix("/"))
    return {"database": database or ":memory:", "pool_size": connections}


def mysql(url: str, connections: int) -> Mapping[str, Any]:
    """For aiomysql, with the options of SQLAlchemy that mean something here."""
    parts = _split(url)
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        msg = "a MySQL URL names a database: mysql://user:password@host/database"
        raise ConfigurationError(msg)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls = {name: query.pop(name) for name in _MYSQL_TLS_OPTIONS if name in query}
    if unknown := [name for name in query if name not in _MYSQL_OPTIONS]:
        known = ", ".join((*_MYSQL_OPTIONS, *_MYSQL_TLS_OPTIONS))
        msg = f"a MySQL URL has no option {', '.join(map(repr, unknown))}; it may have {known}"
        raise ConfigurationError(msg)
    try:
        config: dict[str, Any] = {name: _MYSQL_OPTIONS[name](value) for name, value in query.items()}
        config |= {"host": parts.hostname or "localhost", "port": parts.port or 3306, "db": database}
    except ValueError as error:
        msg = "in a MySQL URL, the port is a number, and connect_timeout one of seconds"
        raise ConfigurationError(msg) from error
    if tls:
        config["ssl"] = _tls_context(tls)
    config |= {"user": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    return {**config, "autocommit": True, "minsize": 1, "maxsize": connections}


# Those of SQLAlchemy's MySQL drivers that mean something here.
_MYSQL_OPTIONS: Mapping[str, Callable[[str], object]] = {"charset": str, "unix_socket": str, "connect_timeout": float}
_MYSQL_TLS_OPTIONS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_check_hostname")


def _tls_context(options: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca"), capath=options.get("ssl_capath"))
        context.check_hostname = {"true": True, "false": False}[options.get("ssl_check_hostname", "true").lower()]
        if "ssl_cert" in options or "ssl_key" in options:
            context.load_cert_chain(options.get("ssl_cert", ""), options.get("ssl_key"))
    except (OSError, KeyError) as error:
        msg = (
            "the TLS options of the MySQL URL cannot be honoured: ssl_ca, ssl_capath, ssl_cert and ssl_key are paths,"
            f" ssl_check_hostname is true or false ({error!r})"
        )
        raise ConfigurationError(msg) from error
    return context


def spanner(url: str, connections: int) -> Mapping[str, Any]:
    """For the client of Cloud Spanner; with a host, for an emulator there."""
    parts = urlsplit(url)
    match = re.fullmatch(r"/projects/([^/]+)/instances/([^/]+)/databases/([^/]+)", parts.path)
    if match is None or parts.query:
        msg = "a Spanner URL is spanner:///projects/PROJECT/instances/INSTANCE/databases/DATABASE"
        raise ConfigurationError(msg)
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - only where it is installed
    from google.cloud.spanner_v1 import AsyncBurstyPool  # noqa: PLC0415

    config = dict(zip(("project", "instance_id", "database_id"), match.groups(), strict=True))
    # The client shares one session among all, unless told not to: then this pool makes them when they are needed.
    pool = {"pool_type": AsyncBurstyPool, "size": connections}
    if not parts.netloc:
        return {**config, **pool}
    # Only an emulator has an address of its own, and needs nobody's credentials.
    emulator = {"client_options": {"api_endpoint": parts.netloc}, "credentials": AnonymousCredentials()}
    return {**config, **pool, **emulator, "disable_builtin_metrics": True}


def oracle(url: str, connections: int) -> Mapping[str, Any]:
    """For python-oracledb, as SQLAlchemy writes it."""
    parts = _split(url)
    query = dict(parse_qsl(parts.query))
    if unknown := [name for name in query if name not in _ORACLE_OPTIONS]:
        msg = (
            f"an Oracle URL has no option {', '.join(map(repr, unknown))}; it may have {', '.join(_ORACLE_OPTIONS)}."
            " Give a SQLSpec config for others"
        )
        raise ConfigurationError(msg)
    user, password, sid = (unquote(part or "") for part in (parts.username, parts.password, parts.path.strip("/")))
    config: dict[str, Any] = {"user": user, "password": password, **query, "min": 1, "max": connections}
    if sid and "service_name" in query:
        msg = (
            "an Oracle URL has a SID as its path, oracle://host/sid, or a service_name, oracle://host/?service_name=..."
        )
        raise ConfigurationError(msg)
    if not sid and "service_name" not in query:
        # As in SQLAlchemy: without a database, the host is a name from tnsnames.ora.
        return {**config, "dsn": parts.hostname or ""}
    where = {"sid": sid} if sid else {}
    return {**config, **where, "host": parts.hostname or "localhost", "port": parts.port or 1521}


_ORACLE_OPTIONS = ("service_name", "protocol", "config_dir", "wallet_location", "wallet_password")
