"""The parts of a URL with a host: who logs in where, which database, and the options."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from litestar_sqlstores.errors import ConfigurationError

__all__ = ("Parts", "read_host", "read_port", "split")

_URL = re.compile(r"[^:]*://([^/?#]*)/?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


class Parts(NamedTuple):
    """What a URL with a host says, decoded.

    Attributes:
        user: None if the URL has none.
        password: None if the URL has none.
        hosts: Pairs of a host and its port, or None for the default port.
        path: What follows the host, without the first slash.
        query: The options, as they stand in the URL.
    """

    user: str | None
    password: str | None
    hosts: list[tuple[str, int | None]]
    path: str
    query: str


def split(url: str) -> Parts:
    """Take a URL to pieces.

    Raises:
        ConfigurationError: A part cannot be read, such as a password that is not quoted and ends the host early.
    """
    # Not by urllib, which knows no lists of hosts, and whose errors hold the password.
    match = _URL.fullmatch(url.strip())
    place, path, query, fragment = match.groups(default="") if match else ("", "@", "", "")
    # Nobody can tell the @ of a password from the one before the host once a list of hosts follows.
    if fragment or "@" in path or "@" in query or re.search("@.*,.*@", place):
        msg = "the URL has a # or an @ where none can be; quote user and password with urllib.parse.quote"
        raise ConfigurationError(msg)
    login, _, hosts = place.rpartition("@")
    user, _, password = login.partition(":")
    return Parts(
        unquote(user) or None,
        unquote(password) or None,
        [read_host(unquote(host)) for host in hosts.split(",")] if hosts else [],
        unquote(path),
        query,
    )


def read_host(text: str) -> tuple[str, int | None]:
    """A host and its port, if it has one: ``host``, ``host:5432``, ``[::1]:5432``, or the folder of a socket.

    Raises:
        ConfigurationError: The port is no port.
    """
    if text.startswith("/"):
        return text, None
    match = re.fullmatch(r"\[([^\]]*)\](?::(.*))?|([^:\[]*)(?::(.*))?", text, re.DOTALL)
    if match is None:
        msg = "the URL's host cannot be read; an IPv6 address has brackets: [::1]:5432"
        raise ConfigurationError(msg)
    address, its_port, name, port = match.groups()
    text_of_port = its_port or port
    return address or name or "", read_port(text_of_port) if text_of_port else None


def read_port(text: str) -> int:
    """A port.

    Raises:
        ConfigurationError: It is none. The text is not shown: where a URL has no host, it is the password.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        msg = "in a URL, the port is a number from 1 to 65535; before it stands the host: user:password@host:port"
        raise ConfigurationError(msg)
    return int(text)
