"""Which responses may be stored, and for whom: RFC 9111 for a shared cache, and stricter where credentials are used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

__all__ = (
    "DESPITE_CREDENTIALS",
    "Headers",
    "accepted_encodings",
    "accepts",
    "content_encodings",
    "forbids_storing",
    "values_of",
    "vary_names",
    "without_cookie",
)

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

DESPITE_CREDENTIALS = "cache_despite_credentials"
"""The entry of a route's ``opt`` that says: its responses are for everybody (as far as key and ``Vary`` go), even those
that were made with the session, the user or an ``Authorization`` header."""

# no-cache allows storing, but no use without asking the origin; the origin is what the cache is to spare.
_FORBIDDING = frozenset({"private", "no-store", "no-cache"})
_NEVER_STORED = frozenset({b"set-cookie", b"clear-site-data"})
_DIRECTIVE = re.compile(r'([^\s",;=]+)\s*(?:=\s*(?:"(?:\\.|[^"\\])*"|[^\s",;]*))?')
_ENCODINGS = frozenset({"br", "compress", "deflate", "gzip", "identity", "zstd"})
"""Others are not told apart: whoever makes up names for encodings cannot fill the cache with them."""
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}


def values_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """All values that a header has, in order."""
    return [value for key, value in headers if key.lower() == name]


def directives(values: Iterable[bytes]) -> set[str]:
    """The names of the directives of ``Cache-Control`` headers; those that have arguments, too."""
    return {name.lower() for value in values for name in _DIRECTIVE.findall(value.decode("latin-1"))}


def forbids_storing(headers: Headers) -> bool:
    """Whether a response says itself that it is not for a shared cache."""
    if any(name.lower() in _NEVER_STORED for name, _ in headers):
        return True
    return not _FORBIDDING.isdisjoint(directives(values_of(headers, b"cache-control")))


def without_cookie(headers: Headers, cookie: str) -> Headers:
    """The headers without those that set a cookie of a name."""
    named = cookie.encode("latin-1", "replace")
    return [
        (name, value)
        for name, value in headers
        if name.lower() != b"set-cookie" or value.partition(b"=")[0].strip() != named
    ]


def vary_names(headers: Headers) -> set[str] | None:
    """What a response depends on, in lower case; None for what cannot be told (``Vary: *``)."""
    text = ",".join(value.decode("latin-1") for value in values_of(headers, b"vary"))
    names = {name.strip().lower() for name in text.split(",")} - {""}
    return None if "*" in names else names


def content_encodings(headers: Headers) -> list[str]:
    """How a response is encoded."""
    text = ",".join(value.decode("latin-1") for value in values_of(headers, b"content-encoding"))
    names = [name.strip().lower() for name in text.split(",")]
    return [_ALIASES.get(name, name) for name in names if name not in {"", "identity"}]


@lru_cache(maxsize=256)
def accepted_encodings(values: tuple[bytes, ...]) -> tuple[str, ...]:
    """Which encodings ``Accept-Encoding`` headers take; the same for all that mean the same (RFC 9110, 12.5.3)."""
    named: dict[str, bool] = {}
    for value in values:
        for part in value.decode("latin-1").lower().split(","):
            name, _, parameters = part.partition(";")
            name = _ALIASES.get(name.strip(), name.strip())
            named[name] = _quality(parameters) > 0
    if named.pop("*", False):
        return tuple(sorted(name for name in _ENCODINGS if named.get(name, True)))
    return tuple(sorted(name for name in _ENCODINGS if named.get(name)))


def accepts(accepted: tuple[str, ...], headers: Headers) -> bool:
    """Whether who accepts some encodings can read a response."""
    return all(name in accepted for name in content_encodings(headers))


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
