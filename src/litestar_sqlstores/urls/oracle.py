"""URLs of Oracle, as SQLAlchemy writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.urls.options import COUNT, FLAG, SECONDS, TEXT, Option, query_pairs, read_options
from litestar_sqlstores.urls.parts import split

__all__ = ("connection_config",)

_KIND = "an Oracle URL"
_KNOWN: Mapping[str, Option] = {
    **{name: Option(name, TEXT) for name in ("service_name", "protocol", "config_dir", "wallet_location")},
    "wallet_password": Option("wallet_password", TEXT),
    "tcp_connect_timeout": Option("tcp_connect_timeout", SECONDS),
    "expire_time": Option("expire_time", COUNT),
    "retry_count": Option("retry_count", COUNT),
    "retry_delay": Option("retry_delay", COUNT),
    "ssl_server_dn_match": Option("ssl_server_dn_match", FLAG),
    "ssl_server_cert_dn": Option("ssl_server_cert_dn", TEXT),
}


def connection_config(url: str, connections: int) -> Mapping[str, Any]:
    """What a URL says, for python-oracledb.

    Args:
        url: The URL.
        connections: How many the pool has at most.

    Raises:
        ConfigurationError: The URL cannot be honoured.
    """
    parts = split(url)
    options = read_options(_KIND, query_pairs(parts.query), _KNOWN)
    if len(parts.hosts) > 1:
        msg = f"{_KIND} has one host; name several in tnsnames.ora, and its entry as the host"
        raise ConfigurationError(msg)
    host, port = parts.hosts[0] if parts.hosts else ("", None)
    sid = parts.path.strip("/")
    login = {"user": parts.user or "", "password": parts.password or ""}
    config: dict[str, Any] = {**login, **options, "min": 1, "max": connections}
    if sid and "service_name" in options:
        msg = f"{_KIND} has a SID as its path, oracle://host/sid, or a service_name, oracle://host/?service_name=..."
        raise ConfigurationError(msg)
    if not sid and "service_name" not in options:
        if not host:
            msg = f"{_KIND} names a database: oracle://user:password@host/?service_name=..., or a name of tnsnames.ora"
            raise ConfigurationError(msg)
        # As in SQLAlchemy: without a database, the host is a name from tnsnames.ora.
        return {**config, "dsn": host}
    where = {"sid": sid} if sid else {}
    return {**config, **where, "host": host or "localhost", "port": port or 1521}
