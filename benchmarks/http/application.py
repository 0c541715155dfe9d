"""The application that is served: a log-in, and a route that reads the session or comes from the response cache."""

import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.middleware.session.server_side import ServerSideSessionConfig

from benchmarks.http.variants import VARIANTS, Variant
from benchmarks.peers import Peer
from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin

__all__ = ("VARIABLE_URL", "VARIANT", "create_app")

VARIANT = "BENCHMARK_VARIANT"
"""The environment variable that names the variant."""
VARIABLE_URL = "BENCHMARK_URL"
"""The environment variable that says where its store is."""

_TOKEN = "x" * 460
"""What else is in a session, so that it has about 512 bytes."""


@get("/")
async def read(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"user": request.session["user"]}


@get("/")
async def read_nothing() -> dict[str, int]:
    return {"user": 1}


@get("/", cache=3600)
async def cached() -> dict[str, int]:
    return {"user": 1}


@post("/log-in/{user:int}")
async def log_in(request: Request[Any, Any, Any], user: int) -> None:
    request.session["user"] = user
    request.session["token"] = _TOKEN


@post("/log-in/{user:int}")
async def log_in_nobody(user: int) -> None:
    """Without sessions there is nothing to do."""


async def settle() -> None:
    """Have the garbage collector pass over what is there for good.

    It looks through 190,000 objects otherwise, most of them other peers': for 0.1 s, a few times a second.
    """
    gc.collect()
    gc.freeze()


_COMMON: dict[str, Any] = {"on_startup": [settle], "openapi_config": None}


def create_app() -> Litestar:
    """The application of the variant that the environment names."""
    variant = VARIANTS[os.environ[VARIANT]]
    peer = variant.peer
    if peer is None:
        return Litestar([read_nothing, log_in_nobody], **_COMMON)
    return _with_cache(variant, peer) if variant.cached else _with_sessions(variant, peer)


def _with_sessions(variant: Variant, peer: Peer) -> Litestar:
    config = SQLSessionConfig() if variant.own_config else ServerSideSessionConfig()
    return Litestar([read, log_in], lifespan=[_store("sessions", peer)], middleware=[config.middleware], **_COMMON)


def _with_cache(variant: Variant, peer: Peer) -> Litestar:
    """As the documentation sets it up: with the plugin, where the store is ours."""
    if variant.kind == "ours":
        options: dict[str, Any] = {"plugins": [SQLStoresPlugin(os.environ[VARIABLE_URL])]}
    else:
        options = {"lifespan": [_store("response_cache", peer)]}
    if variant.own_config:
        return Litestar([cached, log_in], middleware=[SQLSessionConfig().middleware], **options, **_COMMON)
    return Litestar([cached, log_in_nobody], **options, **_COMMON)


def _store(name: str, peer: Peer) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with peer.open(os.environ[VARIABLE_URL]) as opened:
            app.stores.register(name, opened)
            yield

    return lifespan
