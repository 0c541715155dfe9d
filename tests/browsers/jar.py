"""The cookies of a browser, as RFC 6265 has them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

__all__ = ("Cookie", "CookieJar", "parse_set_cookie")

_order = itertools.count()


@dataclass(frozen=True)
class Cookie:
    """A cookie in a jar.

    Attributes:
        name: Its name.
        value: Its value.
        domain: The host that set it, or the domain that it named.
        path: The path below which it is sent.
        host_only: Whether it is sent to that host alone, and not to those below it.
        expires: When it is thrown away, in seconds since 1970; None when the browser closes.
        created: Which one it is; one that takes the place of another keeps its number.
    """

    name: str
    value: str
    domain: str
    path: str
    host_only: bool = True
    expires: float | None = None
    created: int = -1

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.name, self.domain, self.path


class CookieJar:
    """Cookies, by name, domain and path: there may be several of one name."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def receive(self, header: str, host: str, path: str, now: float) -> Cookie:
        """Take a Set-Cookie header that came with the answer to a request; what it said."""
        cookie = parse_set_cookie(header, host, path, now)
        self.put(cookie, now)
        return cookie

    def put(self, cookie: Cookie, now: float) -> None:
        old = self._cookies.pop(cookie.identity, None)
        if cookie.expires is None or cookie.expires > now:
            created = next(_order) if old is None else old.created
            self._cookies[cookie.identity] = Cookie(**{**cookie.__dict__, "created": created})

    def remove(self, cookie: Cookie) -> None:
        self._cookies.pop(cookie.identity, None)

    def cookies_for(self, host: str, path: str, now: float) -> list[Cookie]:
        """What is sent with a request, in the order in which it is: longer paths first, then older ones."""
        matching = [
            cookie
            for cookie in self._cookies.values()
            if _domain_matches(cookie, host)
            and _path_matches(cookie.path, path)
            and (cookie.expires is None or cookie.expires > now)
        ]
        return sorted(matching, key=lambda cookie: (-len(cookie.path), cookie.created))


def parse_set_cookie(header: str, host: str, path: str, now: float) -> Cookie:
    """What a Set-Cookie header says, section 5.2 and 5.3."""
    pair, *attributes = header.split(";")
    name, _, value = pair.partition("=")
    named: dict[str, str] = {}
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        named[key.strip().lower()] = text.strip()
    domain = named.get("domain", "").lstrip(".").lower()
    if domain and not _domain_matches(Cookie("", "", domain, "/", host_only=False), host):
        msg = f"a cookie for {domain!r} was set by {host!r}"
        raise ValueError(msg)
    wanted = named.get("path", "")
    return Cookie(
        name.strip(),
        value.strip(),
        domain or host,
        wanted if wanted.startswith("/") else _default_path(path),
        host_only=not domain,
        expires=_expiry(named, now),
    )


def _expiry(named: dict[str, str], now: float) -> float | None:
    if "max-age" in named:  # comes before Expires
        seconds = int(named["max-age"])
        return now + seconds if seconds > 0 else 0.0
    return parsedate_to_datetime(named["expires"]).timestamp() if named.get("expires") else None


def _default_path(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _domain_matches(cookie: Cookie, host: str) -> bool:
    return host == cookie.domain or (not cookie.host_only and host.endswith(f".{cookie.domain}"))


def _path_matches(cookie_path: str, path: str) -> bool:
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path.endswith("/") or path[len(cookie_path)] == "/"
