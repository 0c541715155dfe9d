"""An application with everything of Litestar that keeps something in a store, unchanged."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, get, post
from litestar.config.response_cache import ResponseCacheConfig
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.registry import StoreRegistry

if TYPE_CHECKING:
    from tests.backends import Store

MAX_AGE = 1000
LIMIT = 5


def make_app(store: Store, *, renew_on_access: bool = False) -> Litestar:
    """Sessions, a response cache and a rate limit, each in a namespace of its own under `store`."""
    sessions = ServerSideSessionConfig(store="sessions", renew_on_access=renew_on_access, max_age=MAX_AGE)
    limit = RateLimitConfig(("minute", LIMIT), exclude_opt_key="unlimited", identifier_for_request=_client)
    calls = itertools.count(1)

    @post("/login/{name:str}", unlimited=True)
    async def login(request: Request[Any, Any, Any]) -> None:
        request.set_session({"name": request.path_params["name"], "count": 0})

    @get("/me", unlimited=True)
    async def me(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return dict(request.session)

    @post("/count", unlimited=True)
    async def count(request: Request[Any, Any, Any]) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return int(request.session["count"])

    @post("/logout", unlimited=True)
    async def logout(request: Request[Any, Any, Any]) -> None:
        request.clear_session()

    @get("/cached", cache=100, unlimited=True)
    async def cached(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return {"call": next(calls), "bytes": "é\0😀"}

    @get("/limited")
    async def limited() -> None:
        return

    return Litestar(
        [login, me, count, logout, cached, limited],
        # The store itself is registered so that the application opens and closes it.
        stores=StoreRegistry({"root": store}, default_factory=store.with_namespace),
        response_cache_config=ResponseCacheConfig(store="response_cache"),
        middleware=[sessions.middleware, limit.middleware],
        on_startup=[store.create_table],
        openapi_config=None,
        logging_config=None,
    )


def _client(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("x-client", "unknown")
