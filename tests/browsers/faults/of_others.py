"""Faults of the tables, the response cache and rate limits."""

from __future__ import annotations

from typing import Any

from tests.browsers.faults.seams import STORE, always, never_done, register

CACHE = "litestar_sqlstores.cache"
LIMIT = "litestar_sqlstores.rate_limits.middleware:SQLRateLimitMiddleware"

# -- what is in the tables


def _owned_by_its_key(store_set: Any) -> Any:
    async def owned_by_its_key(self: Any, key: str, value: Any, expires_in: Any = None, **options: Any) -> None:
        await store_set(self, key, value, expires_in, **{**options, "owner": key[:100]})

    return owned_by_its_key


register("ids are in the table", "secret in a table", (f"{STORE}.set", _owned_by_its_key))

# -- the response cache


def _blind(watch: Any) -> Any:
    def blind(scope: Any) -> Any:
        made = watch(scope)
        made.scope = scope
        return made

    return blind


register(
    "the cache stores Set-Cookie",
    "secret in a table, secret of another browser, private page from the cache",
    (f"{CACHE}.filling:forbids_storing", always(value=False)),
    (f"{CACHE}.filling:without_cookie", lambda _: lambda headers, _cookie: headers),
)
register(
    "the cache stores what was made with a session",
    "private page from the cache, session of another user",
    (f"{CACHE}.middleware:Watch", _blind),
)
register(
    "the cache ignores Vary",
    "another page from the cache, compressed for who cannot read it",
    (f"{CACHE}.filling:vary_names", lambda _: lambda _headers: set()),
)
register(
    "the cache ignores the host",
    "another page from the cache",
    (f"{CACHE}.requests:default_key", lambda key: lambda scope, _hosts: key(scope, [])),
)
register(
    "the cache ignores the query",
    "another page from the cache",
    (f"{CACHE}.requests:default_key", lambda key: lambda scope, hosts: key({**scope, "query_string": b""}, hosts)),
)
register("the cache stores nothing", "not from the cache", (f"{CACHE}.middleware:page_of", always(value=None)))


# -- rate limits

register(
    "a limit counts all clients as one",
    "wrong count",
    (f"{LIMIT}.key_for_request", never_done("everybody")),
)
register(
    "a limit counts each call twice",
    "wrong count",
    (
        f"{STORE}.increment",
        lambda increment: lambda self, key, by=1, expires_in=None: increment(self, key, 2 * by, expires_in),
    ),
)
