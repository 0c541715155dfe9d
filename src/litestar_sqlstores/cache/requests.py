"""What a request to a cached route looks for in the cache."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from litestar.config.response_cache import CACHE_FOREVER, default_cache_key_builder

from litestar_sqlstores.cache.keys import built_key, default_key, variant_key
from litestar_sqlstores.cache.policy import DESPITE_CREDENTIALS, Headers, accepted_encodings, directives, values_of

if TYPE_CHECKING:
    from litestar.types import HTTPScope

    from litestar_sqlstores.cache.config import CheckedResponseCacheConfig

__all__ = ("CacheRequest", "cache_request")

_ENCODING = frozenset({"accept-encoding"})


@dataclass(slots=True)
class CacheRequest:
    """A request to a cached route."""

    scope: HTTPScope
    config: CheckedResponseCacheConfig
    headers: Headers
    key: str
    """Of its page, or of what its variants depend on."""
    accepted: tuple[str, ...]
    """The encodings that it takes."""
    covered: frozenset[str]
    """The headers that the key already tells apart."""
    despite_credentials: bool
    """Whether the route says that its pages are for everybody, whoever they were made for."""
    names: AbstractSet[str] = frozenset()
    """The headers that variants are known to depend on."""

    def variant_key(self, names: AbstractSet[str]) -> str:
        """The key of its variant for some headers."""
        values: dict[str, Any] = {name: values_of(self.headers, name.encode("latin-1", "replace")) for name in names}
        if "accept-encoding" in values:
            values["accept-encoding"] = self.accepted
        return variant_key(self.key, sorted(names), values)

    def may_store(self, status: int) -> bool:
        """Whether a response with a status may be stored, as far as application and client go."""
        if "no-store" in directives(values_of(self.headers, b"cache-control")):
            return False
        return self.config.original.cache_response_filter(self.scope, status)

    @property
    def route(self) -> str:
        """The path of the route, for messages."""
        return self.scope["path_template"]

    @property
    def expires_in(self) -> int | None:
        """For how many seconds a page is kept; None for ever."""
        cache = getattr(self.scope["route_handler"], "cache", False)
        if cache is True:
            return self.config.original.default_expiration
        return None if cache is CACHE_FOREVER or not isinstance(cache, int) else cache


def cache_request(scope: HTTPScope, config: CheckedResponseCacheConfig) -> CacheRequest | None:
    """What a request looks for; None if it goes past the cache."""
    # The body of other methods is in no key.
    if scope["method"] not in {"GET", "HEAD"}:
        return None
    handler = scope["route_handler"]
    despite_credentials = bool(handler.opt.get(DESPITE_CREDENTIALS))
    hosts: list[bytes] = []
    encodings: list[bytes] = []
    headers = cast("Headers", scope["headers"])
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"accept-encoding":
            encodings.append(value)
        elif name == b"authorization" and not despite_credentials:
            return None
    build = getattr(handler, "cache_key_builder", None) or config.original.key_builder
    if build is default_cache_key_builder:
        key = default_key(scope, hosts)
    else:
        try:
            key = built_key(build(scope["litestar_app"].request_class(scope)), scope)
        except Exception:  # noqa: BLE001 - Litestar calls it again where the application's error handlers see it
            return None
    accepted = accepted_encodings(tuple(encodings))
    covered: frozenset[str] = frozenset()
    if scope["litestar_app"].compression_config is not None:
        # Known before the response is: one look-up instead of two.
        key = f"{key}\nencodings.{','.join(accepted)}"
        covered = _ENCODING
    return CacheRequest(scope, config, headers, key, accepted, covered, despite_credentials)
