"""The application that the browsers visit, with every feature on. It runs in the processes of a web server."""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, Response, Router, get
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.config.csrf import CSRFConfig
from litestar.config.response_cache import ResponseCacheConfig
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig

from litestar_sqlstores import SQLRateLimitConfig, SQLSessionConfig, SQLStoresPlugin, StoreError
from tests.browsers.faults import put_back
from tests.browsers.handlers import HANDLERS, TOO_LARGE, AnyRequest, visited
from tests.browsers.line import Line, Recorder
from tests.browsers.mounts import mounted_applications

if TYPE_CHECKING:
    from litestar.types import ASGIApp

__all__ = ("CSRF_COOKIE", "CSRF_HEADER", "ENVIRONMENT", "LIMIT", "MAX_AGE", "ORIGINS", "OWN_PARTS", "PARTS", "make_app")

ENVIRONMENT = "BROWSERS_APPLICATION"
MAX_AGE = 86_400
"""So long that no renewal is due while a history lasts: a cookie that says no more than the browser knows is wrong."""
LIMIT = 4
# Litestar's own middleware adds its token to the very list that an application begins all its responses with.
SHARES_HEADERS = r"/plain-\w+/"
CSRF_COOKIE, CSRF_HEADER = "csrf", "x-csrf"
ORIGINS = ["https://one.test", "https://two.test"]

PARTS = {
    "plain": SQLSessionConfig(key="plain", max_age=MAX_AGE, owner_key="user", path="/plain"),
    "merge": SQLSessionConfig(
        key="merge", max_age=MAX_AGE, owner_key="user", on_conflict="merge", store="merge_sessions"
    ),
    "stock": ServerSideSessionConfig(key="stock", max_age=MAX_AGE, store="stock_sessions"),
}
"""The sessions of each part of the site, by the first segment of its paths, which is the name of the cookie as well."""
OWN_PARTS = {name for name, config in PARTS.items() if isinstance(config, SQLSessionConfig)}
"""The parts with sessions of ours: Litestar's own middlewares promise less."""


def unavailable(_: Request[Any, Any, Any], error: StoreError) -> Response[str]:
    return Response("come back in a moment", status_code=503)


async def browser_of(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("x-browser", "")


def stock_browser_of(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("x-browser", "")


@get("/limited")
async def limited(request: AnyRequest) -> Response[dict[str, Any]]:
    return await visited(request)


@get("/limited/cached/{name:str}", cache=600)
async def limited_and_cached(request: AnyRequest) -> Response[dict[str, Any]]:
    return await visited(request)


def _limits() -> list[Router]:
    """One limit that is ours and stands on two layers, and one of Litestar's own."""
    ours = SQLRateLimitConfig(rate_limit=("hour", LIMIT), identifier_for_request=browser_of)
    stock = RateLimitConfig(rate_limit=("hour", LIMIT), identifier_for_request=stock_browser_of, store="stock_limits")
    handlers = [limited, limited_and_cached]
    inner = Router("/", route_handlers=handlers, middleware=[ours.middleware])
    return [
        Router("/ours", route_handlers=[inner], middleware=[ours.middleware]),
        Router("/litestar", route_handlers=handlers, middleware=[stock.middleware]),
    ]


def make_app() -> ASGIApp:
    """The application. The environment says where the stores are, whether they encrypt, and what is broken."""
    settings = json.loads(os.environ[ENVIRONMENT])
    put_back(settings["fault"])
    # That a mounted application changes the scope is what is tested here.
    warnings.filterwarnings("ignore", message=".*copy_scope", category=Warning)
    recorder = Recorder(Line(settings["port"]))
    app = Litestar(
        [
            *(
                Router(f"/{name}", route_handlers=HANDLERS, middleware=[config.middleware])
                for name, config in PARTS.items()
            ),
            *(
                mounted
                for name, config in PARTS.items()
                for mounted in mounted_applications(f"/{name}", config.middleware)
            ),
            *_limits(),
        ],
        plugins=[
            SQLStoresPlugin(
                settings["url"],
                names=("sessions", "merge_sessions", "stock_sessions", "response_cache", "rate_limit", "stock_limits"),
                max_value_bytes=TOO_LARGE,
                encryption_keys=settings["encryption_keys"],
                cleanup=0.5,
            )
        ],
        middleware=[recorder.witness],
        response_cache_config=ResponseCacheConfig(),
        compression_config=CompressionConfig("gzip", minimum_size=100),
        csrf_config=CSRFConfig(
            secret="of the site", cookie_name=CSRF_COOKIE, header_name=CSRF_HEADER, exclude=[SHARES_HEADERS]
        ),
        cors_config=CORSConfig(allow_origins=ORIGINS, allow_credentials=True),
        exception_handlers={StoreError: unavailable},
        openapi_config=None,
    )
    return recorder.around(app)
