"""The cookies of sessions: which ids a request carries, and what a response tells the browser and caches."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, cast

from litestar.datastructures import Cookie

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import Message, Scope

    from litestar_sqlstores.sessions.config import SQLSessionConfig

__all__ = ("SessionCookies", "copy_headers", "is_public", "make_private", "own_headers", "vary_by_cookie")

logger = logging.getLogger("litestar_sqlstores")

_VARY_BY_COOKIE = (b"vary", b"Cookie")
MAX_IDS = 8
"""How many ids of a request are looked up: a browser sends one for each path that the cookie was ever set for."""


class SessionCookies:
    """The cookies of one configuration.

    Args:
        config: What the cookie is called, and what it is limited to.
    """

    def __init__(self, config: SQLSessionConfig) -> None:
        self._config = config
        self._name = config.key.encode()
        issued = rb"\"?([0-9a-f]{%d})\"?" % (2 * config.session_id_bytes)
        self._issued = re.compile(issued).fullmatch
        self._only = re.compile(rb"%b=%b" % (re.escape(self._name), issued)).fullmatch
        self._find = re.compile(rb"(?:\A|;)\s*%b\s*=\s*%b\s*(?=;|\Z)" % (re.escape(self._name), issued)).findall
        # What all cookies share is put together once: it takes Litestar as long as the rest of the session does.
        self._attributes = self._header("id", config.max_age).removeprefix(f"{config.key}=id")
        self._removal = self._header("", 0).encode("latin-1")

    def ids(self, scope: Scope) -> list[str]:
        """The ids that a request carries, in its order: browsers send the cookie of the longest path first.

        HTTP/2 may bring each cookie in a header of its own (RFC 9113, section 8.2.3).
        """
        found: list[str] = []
        for name, value in scope["headers"]:
            if name == b"cookie" and self._name in value:
                # Most browsers send no other cookie to the path, or none at all that has this name in it.
                match = self._only(value)
                found += [match[1].decode()] if match else [session_id.decode() for session_id in self._find(value)]
        return found if len(found) < 2 else list(dict.fromkeys(found))[:MAX_IDS]

    def parsed_ids(self, cookies: Mapping[str, str]) -> list[str]:
        """The id in cookies that were parsed already."""
        match = self._issued(cookies.get(self._config.key, "").encode(errors="replace"))
        return [match[1].decode()] if match else []

    def tell(self, message: Message, session_id: str | None) -> None:
        """Have the browser keep an id, or none."""
        value = self._removal if session_id is None else f"{self._config.key}={session_id}{self._attributes}".encode()
        _headers(message).append((b"set-cookie", value))

    def _header(self, value: str, max_age: int) -> str:
        config = self._config
        return Cookie(
            key=config.key,
            value=value,
            max_age=max_age,
            path=config.path,
            domain=config.domain,
            secure=config.secure,
            httponly=config.httponly,
            samesite=config.samesite,
        ).to_header(header="")


def copy_headers(message: Message) -> Message:
    """A message with a list of headers of its own.

    Whoever sent it may still hold it: a cache that keeps it, or an application that begins all responses with one list.
    """
    return cast("Message", {**message, "headers": list(cast("Any", message).get("headers") or ())})


def own_headers(message: Message) -> None:
    """Give a message that cannot be copied a list of headers of its own."""
    cast("dict[str, Any]", message)["headers"] = list(_headers(message))


def vary_by_cookie(message: Message) -> None:
    """Tell caches that the response is for requests with these cookies."""
    headers = _headers(message)
    if _VARY_BY_COOKIE in headers:
        return
    for position, (name, value) in enumerate(headers):
        if name.lower() == b"vary":
            fields = {field.strip().lower() for field in value.split(b",")}
            if not fields & {b"cookie", b"*"}:
                headers[position] = (name, value + b", Cookie")
            return
    headers.append(_VARY_BY_COOKIE)


def is_public(message: Message) -> bool:
    """Whether a response says that shared caches may keep it."""
    return any(
        name.lower() == b"cache-control" and {b"public", b"s-maxage"} & _directives(value)
        for name, value in _headers(message)
    )


def make_private(message: Message) -> None:
    """Have no shared cache keep a response that is public by its headers, but sets a cookie for one visitor."""
    headers = _headers(message)
    for position, (name, value) in enumerate(headers):
        if name.lower() == b"cache-control":
            kept = [part.strip() for part in value.split(b",") if not {b"public", b"s-maxage"} & _directives(part)]
            headers[position] = (name, b", ".join([b"private", *(part for part in kept if part != b"private")]))
    logger.warning(
        "a response with Cache-Control: public begins or ends a session, so it is sent as private;"
        " do not touch the session where the response is public"
    )


def _directives(value: bytes) -> set[bytes]:
    return {part.partition(b"=")[0].strip().lower() for part in value.split(b",")}


def _headers(message: Message) -> list[tuple[bytes, bytes]]:
    return cast("dict[str, Any]", message).setdefault("headers", [])  # type: ignore[no-any-return]
