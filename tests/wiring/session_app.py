"""What the tests of sessions visit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar import get, post

from litestar_sqlstores import SQLSessionConfig, rotate_session_id
from tests.wiring.helpers import MAX_AGE, AnyRequest, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar_sqlstores import SQLStoresPlugin
    from tests.wiring.helpers import Site

__all__ = ("HANDLERS", "read", "serve_sessions")


@get("/")
async def read(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@post("/write")
async def write(request: AnyRequest) -> None:
    request.session.update(await request.json())


@get("/untouched")
async def untouched() -> None:
    return


@post("/login/{name:str}")
async def login(request: AnyRequest) -> None:
    rotate_session_id(request)
    request.session["name"] = request.path_params["name"]


@post("/logout")
async def logout(request: AnyRequest) -> None:
    request.clear_session()


HANDLERS = [read, write, untouched, login, logout]


@asynccontextmanager
async def serve_sessions(plugin: SQLStoresPlugin, *handlers: Any, **options: Any) -> AsyncIterator[Site]:
    config = SQLSessionConfig(**{"max_age": MAX_AGE, **options})
    async with serve(plugin, [*HANDLERS, *handlers], config) as site:
        yield site
        assert site.errors == []
