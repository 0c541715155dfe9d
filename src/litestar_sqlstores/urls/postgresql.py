"""URLs of PostgreSQL: those of libpq and asyncpg, and what SQLAlchemy makes of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.urls.options import (
    COUNT,
    FLAG,
    SECONDS,
    TEXT,
    Option,
    Reader,
    already,
    choice,
    query_pairs,
    read_options,
    refused,
)
from litestar_sqlstores.urls.parts import Parts, read_host, read_port, split

__all__ = ("connection_config",)

_KIND = "a PostgreSQL URL"
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _connect_timeout(text: str) -> float | None:
    seconds = int(text)
    return None if seconds <= 0 else float(max(2, seconds))


def _ssl(text: str) -> Any:
    words = {"true": "true", "1": "true", "false": "disable", "0": "disable"}
    return words.get(text.lower()) or choice(*_MODES).read(text)


_NO_REPLICA = "a store writes, and a standby takes no writes"
_TAKEN: Mapping[str, Option] = {
    # -- libpq
    "user": Option("user", TEXT),
    "password": Option("password", TEXT),
    "dbname": Option("database", TEXT),
    "passfile": Option("passfile", TEXT),
    "service": Option("service", TEXT),
    "servicefile": Option("servicefile", TEXT),
    # As libpq has it: whole seconds, at least two of them, and 0 for no limit but the store's own.
    "connect_timeout": Option("timeout", Reader("a whole number of seconds", _connect_timeout)),
    "target_session_attrs": Option("target_session_attrs", choice("any", "primary", "read-write"), _NO_REPLICA),
    "krbsrvname": Option("krbsrvname", TEXT),
    "gsslib": Option("gsslib", choice("gssapi", "sspi")),
    "channel_binding": already(choice("disable", "prefer"), "asyncpg has no channel binding"),
    "gssencmode": already(choice("disable", "prefer"), "asyncpg has no encryption by GSSAPI; use sslmode"),
    "load_balance_hosts": already(choice("disable"), "hosts are tried in their order"),
    "client_encoding": already(choice("auto", "utf8", "utf-8"), "asyncpg speaks UTF-8"),
    "sslcompression": already(choice("0"), "TLS is not compressed"),
    "sslsni": already(choice("1"), "TLS names the host"),
    "keepalives": Option("SO_KEEPALIVE", FLAG),
    "keepalives_idle": Option("TCP_KEEPIDLE", COUNT),
    "keepalives_interval": Option("TCP_KEEPINTVL", COUNT),
    "keepalives_count": Option("TCP_KEEPCNT", COUNT),
    "tcp_user_timeout": Option("TCP_USER_TIMEOUT", Reader("a number of milliseconds", COUNT.read)),
    "hostaddr": refused("write the address as the host"),
    "require_auth": refused("asyncpg takes any method that the server asks for; say so in the server's pg_hba.conf"),
    "replication": refused("it is for replication"),
    # -- asyncpg
    "database": Option("database", TEXT),
    "timeout": Option("timeout", SECONDS),
    "command_timeout": Option("command_timeout", SECONDS),
    "statement_cache_size": Option("statement_cache_size", COUNT),
    "max_cached_statement_lifetime": Option("max_cached_statement_lifetime", COUNT),
    "max_cacheable_statement_size": Option("max_cacheable_statement_size", COUNT),
    "direct_tls": Option("direct_tls", FLAG),
    # -- SQLAlchemy, and Prisma's way to say that there is a pooler
    "prepared_statement_cache_size": Option("prepared_statement_cache_size", COUNT),
    "async_fallback": already(choice("false")),
    "pgbouncer": Option("pgbouncer", FLAG),
    "schema": refused("give the store table='schema.name'"),
}
# asyncpg reads these from a URL alone.
_TLS: Mapping[str, Option] = {
    "sslmode": Option("sslmode", choice(*_MODES)),
    "ssl": Option("sslmode", Reader(f"true, false, {choice(*_MODES).wants}", _ssl)),
    **{
        name: Option(name, TEXT)
        for name in (
            "sslcert",
            "sslkey",
            "sslrootcert",
            "sslcrl",
            "sslpassword",
            "ssl_min_protocol_version",
            "ssl_max_protocol_version",
        )
    },
    "sslnegotiation": Option("sslnegotiation", choice("postgres", "direct")),
}
# Settings of the server that a session may have; any other one can be given in `options`.
_SETTINGS: Mapping[str, Option] = {
    "fallback_application_name": Option("fallback_application_name", TEXT),
    **{
        name: Option(name, TEXT)
        for name in (
            "application_name",
            "options",
            "search_path",
            "role",
            "timezone",
            "TimeZone",
            "datestyle",
            "jit",
            "work_mem",
            "plan_cache_mode",
            "statement_timeout",
            "lock_timeout",
            "transaction_timeout",
            "idle_in_transaction_session_timeout",
            "idle_session_timeout",
            "synchronous_commit",
            "default_transaction_isolation",
        )
    },
}
_KNOWN = {"host": Option("host", TEXT), "port": Option("port", COUNT), **_TAKEN, **_TLS, **_SETTINGS}


def connection_config(url: str, connections: int) -> Mapping[str, Any]:
    """What a URL says, for asyncpg.

    Args:
        url: The URL.
        connections: How many the pool has at most.

    Raises:
        ConfigurationError: The URL cannot be honoured.
    """
    parts = split(url)
    pairs = query_pairs(parts.query)
    options = read_options(_KIND, [(name, text) for name, text in pairs if not _is_read_here(name)], _KNOWN)
    settings = {name: text for name, text in pairs if "." in name}
    settings |= {name: options.pop(name) for name in _SETTINGS if name in options}
    if application := settings.pop("fallback_application_name", None):
        settings.setdefault("application_name", application)
    config: dict[str, Any] = {"min_size": 1, "max_size": connections, **_hosts(parts, pairs)}
    config |= _tls({name: options.pop(name) for name in _TLS if name in options})
    config |= _statement_cache(options)
    config |= _keep_alive(options)
    config |= options
    if settings:
        config["server_settings"] = settings
    config |= {name: value for name, value in (("user", parts.user), ("password", parts.password)) if value is not None}
    if parts.path:
        config["database"] = parts.path
    if not (config.keys() & {"database", "service"} or os.environ.keys() & {"PGDATABASE", "PGSERVICE"}):
        msg = "a PostgreSQL URL names a database: postgresql://user:password@host/database"
        raise ConfigurationError(msg)
    return config


def _is_read_here(name: str) -> bool:
    """Whether an option may stand several times, or is a setting of an extension's: ``my.setting``."""
    return name in ("host", "port") or "." in name


def _hosts(parts: Parts, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """The hosts, from the place where URLs have them or from options, as in libpq and as in SQLAlchemy."""
    given = ",".join(text for name, text in pairs if name == "host")
    hosts = parts.hosts or [read_host(host) for host in given.split(",") if host]
    ports = [read_port(port) for name, text in pairs if name == "port" for port in text.split(",")]
    if not hosts:
        return {"port": ports[0]} if ports else {}
    if ports:
        if len(ports) not in (1, len(hosts)) or any(port for _, port in hosts):
            msg = f"{_KIND} has one port for all hosts, or one for each: host=a,b&port=5432,5433, or host=a:5432"
            raise ConfigurationError(msg)
        hosts = [(host, port) for (host, _), port in zip(hosts, ports * (len(hosts) // len(ports)), strict=True)]
    if len(hosts) == 1:
        ((host, port),) = hosts
        return {name: value for name, value in (("host", host), ("port", port)) if value}
    found: dict[str, Any] = {"host": [host or "localhost" for host, _ in hosts]}
    if any(port for _, port in hosts):
        found["port"] = [port or int(os.environ.get("PGPORT") or 5432) for _, port in hosts]
    # The others may be standbys, which take no writes. What the URL says itself comes later.
    return found if "PGTARGETSESSIONATTRS" in os.environ else {**found, "target_session_attrs": "read-write"}


def _tls(options: dict[str, Any]) -> dict[str, Any]:
    """What encrypts the connection; asyncpg reads all but ``ssl=True`` from a URL alone."""
    mode = options.get("sslmode", "verify-full")
    by_system = mode == "true" and "sslrootcert" not in options
    if options.get("sslrootcert") == "system":
        if mode not in ("true", "verify-full"):
            msg = f"in {_KIND}, sslrootcert=system needs sslmode=verify-full"
            raise ConfigurationError(msg)
        del options["sslrootcert"]
        by_system = True
    if by_system:
        if options.keys() - {"sslmode"}:
            msg = f"in {_KIND}, other options of TLS need sslmode=verify-full and sslrootcert, the path of a file"
            raise ConfigurationError(msg)
        # The certificates that the system trusts, and the server's own name: as in asyncpg.
        return {"ssl": True}
    options = {name: "verify-full" if text == "true" else text for name, text in options.items() if text}
    return {"dsn": f"postgresql://?{urlencode(options)}"} if options else {}


def _statement_cache(options: dict[str, Any]) -> dict[str, Any]:
    """How many statements asyncpg prepares; none if anybody says so, as behind a pooler."""
    sizes = [options.pop(name) for name in ("statement_cache_size", "prepared_statement_cache_size") if name in options]
    if options.pop("pgbouncer", False):
        sizes.append(0)
    return {"statement_cache_size": min(sizes)} if sizes else {}


def _keep_alive(options: dict[str, Any]) -> dict[str, Any]:
    """What has the operating system notice a server that is gone; libpq does that itself, asyncpg does not."""
    names = ("SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    given = {name: int(options.pop(name)) for name in names if name in options}
    return {"init": _with_socket_options(given)} if given else {}


def _with_socket_options(given: Mapping[str, int]) -> Callable[[Any], Awaitable[None]]:
    async def set_options(connection: Any) -> None:
        # asyncpg has no public way to it.
        raw = connection._transport.get_extra_info("socket")
        if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
            return
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, given.get("SO_KEEPALIVE", 1))
        for name, value in given.items():
            # Not every system has all of them; 0 is the system's own default, as in libpq.
            if name != "SO_KEEPALIVE" and value and hasattr(socket, name):
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    return set_options
