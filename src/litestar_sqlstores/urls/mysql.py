"""URLs of MySQL and MariaDB, with the options of SQLAlchemy's drivers and of MySQL's own programs."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.urls.options import (
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
from litestar_sqlstores.urls.parts import split

__all__ = ("connection_config",)

_KIND = "a MySQL URL"
_BOUNDED = "the store's option timeout bounds every call"
_OWN = "the store sets it in its sessions"
_MODES = Option("mode", choice("disabled", "required", "verify_ca", "verify_identity"), "encryption is not optional")
_TLS: Mapping[str, Option] = {
    "ssl": Option("ssl", FLAG),
    "ssl_mode": _MODES,
    "ssl-mode": _MODES,
    "ssl_ca": Option("ca", TEXT),
    "ssl_capath": Option("capath", TEXT),
    "ssl_cert": Option("cert", TEXT),
    "ssl_key": Option("key", TEXT),
    "ssl_check_hostname": Option("check_hostname", FLAG),
    "ssl_verify_cert": Option("verify_cert", FLAG),
    "ssl_verify_identity": Option("check_hostname", FLAG),
}
_CONNECTION: Mapping[str, Option] = {
    "charset": Option("charset", TEXT),
    "unix_socket": Option("unix_socket", TEXT),
    "connect_timeout": Option("connect_timeout", SECONDS),
    "init_command": Option("init_command", TEXT),
    "program_name": Option("program_name", TEXT),
    "read_default_file": Option("read_default_file", TEXT),
    "read_default_group": Option("read_default_group", TEXT),
    # Nothing that a store does depends on these.
    "local_infile": already(FLAG),
    "binary_prefix": already(FLAG),
    "autocommit": already(choice("true", "1"), "the store ends its own transactions"),
    "use_unicode": already(choice("true", "1"), "the store reads text"),
    "sql_mode": refused(_OWN),
    "client_flag": refused("the store counts rows as the driver does by itself"),
    "read_timeout": refused(_BOUNDED),
    "write_timeout": refused(_BOUNDED),
    "ssl_cipher": refused("TLS picks its own ciphers; give an SSLContext in a SQLSpec config"),
    "sslmode": refused("it is PostgreSQL's; write ssl_mode=REQUIRED or ssl=true"),
}
_KNOWN = {**_CONNECTION, **_TLS}


def connection_config(url: str, connections: int) -> Mapping[str, Any]:
    """What a URL says, for aiomysql and asyncmy.

    Args:
        url: The URL.
        connections: How many the pool has at most.

    Raises:
        ConfigurationError: The URL cannot be honoured.
    """
    parts = split(url)
    if not parts.path or "/" in parts.path:
        msg = f"{_KIND} names a database: mysql://user:password@host/database"
        raise ConfigurationError(msg)
    if len(parts.hosts) > 1:
        msg = f"{_KIND} has one host; where the server may move, it is a name or a proxy that moves along"
        raise ConfigurationError(msg)
    config = read_options(_KIND, query_pairs(parts.query), _KNOWN)
    tls = {option.argument: config.pop(option.argument) for option in _TLS.values() if option.argument in config}
    host, port = parts.hosts[0] if parts.hosts else ("", None)
    config |= {"host": host or "localhost", "port": port or 3306, "db": parts.path}
    if tls and (context := _tls_context(tls)):
        config["ssl"] = context
    config |= {"user": parts.user or "", "password": parts.password or ""}
    return {**config, "autocommit": True, "minsize": 1, "maxsize": connections}


def _tls_context(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """What encrypts the connection, if anything; the server has to prove its name, unless the URL says otherwise."""
    mode = options.get("mode", "verify_identity")
    if mode == "disabled" or options.get("ssl") is False:
        if options.keys() - {"mode", "ssl"} or options.get("ssl") or options.get("mode", "disabled") != "disabled":
            msg = f"{_KIND} has options that contradict each other: one turns TLS off, another one is about it"
            raise ConfigurationError(msg)
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("ca"), capath=options.get("capath"))
        if "cert" in options or "key" in options:
            context.load_cert_chain(options.get("cert", ""), options.get("key"))
    except OSError as error:
        msg = (
            "the TLS options of the MySQL URL cannot be honoured: ssl_ca, ssl_capath, ssl_cert and ssl_key are paths"
            f" ({error!r})"
        )
        raise ConfigurationError(msg) from error
    # As MySQL's programs have it, REQUIRED alone believes any certificate. With ssl_ca, it is checked.
    verifies = options.get("verify_cert", mode != "required" or bool(options.keys() & {"ca", "capath"}))
    context.check_hostname = verifies and options.get("check_hostname", mode == "verify_identity")
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    return context
