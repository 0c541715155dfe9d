"""Where a page is stored.

A key begins as Litestar's does, with the method and the path, so that a prefix of a path removes its pages. What else
tells requests apart follows, and at the very end how long the first parts are: no path can be read as another path and
a query. A variant's key holds a digest of the header values, since a cookie must not stand in a table as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from litestar.types import HTTPScope

__all__ = ("built_key", "default_key", "variant_key")


def default_key(scope: HTTPScope, hosts: list[bytes]) -> str:
    """The key for method, path, query, scheme and host.

    Args:
        scope: The request's.
        hosts: The values of its ``Host`` headers.
    """
    path = scope.get("root_path", "") + scope["path"]
    query = _sorted_query(bytes(scope.get("query_string", b"")))
    host = b",".join(hosts).decode("latin-1") if hosts else repr(scope.get("server"))
    return f"{scope['method']}{path}?{query}\n{scope.get('scheme', 'http')}://{host}\n{len(path)}.{len(query)}"


def built_key(built: str, scope: HTTPScope) -> str:
    """The key where a key builder of the application says what tells requests apart."""
    return f"{built}\n{scope['method']}\nbuilt.{len(built)}"


def variant_key(key: str, names: Iterable[str], values: Mapping[str, Any]) -> str:
    """The key of the variant for some values of headers.

    Args:
        key: That of all variants.
        names: Of the headers, sorted.
        values: Of each; what has the same value here gets the same page.
    """
    pairs = [(name, values.get(name)) for name in names]
    return f"{key}\nvary.{hashlib.sha256(msgspec.msgpack.encode(pairs)).hexdigest()}"


def _sorted_query(query: bytes) -> str:
    """The parameters by name. Those of one name stay in order, as they are a list."""
    text = query.decode("latin-1")
    return "&".join(sorted(text.split("&"), key=_name)) if "&" in text else text


def _name(pair: str) -> str:
    return pair.partition("=")[0]
