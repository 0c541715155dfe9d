"""Sessions among other layers: those of others within and around, and layers that change what a connection carries."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, asgi, post
from litestar.middleware import DefineMiddleware
from litestar.middleware.session.base import BaseBackendConfig
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessions
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from litestar_sqlstores import SQLSessionConfig
from tests.wiring.helpers import AnyRequest, Browser, serve
from tests.wiring.session_app import HANDLERS, serve_sessions

if TYPE_CHECKING:
    from litestar.types import Message, Receive, Scope, Send

    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]

BARE: Any = {"openapi_config": None, "logging_config": None}


def session_config(kind: str, key: str) -> BaseBackendConfig[Any]:
    if kind == "ours":
        return SQLSessionConfig(key=key)
    # In the same store, so that an id that one took from the other would be seen.
    return ServerSideSessionConfig(key=key) if kind == "server" else CookieBackendConfig(secret=b"0" * 32, key=key)


@post("/set")
async def set_anew(request: AnyRequest) -> None:
    request.set_session({"set": True})


# -- another framework around


async def count(request: Any) -> JSONResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return JSONResponse(request.session)


async def test_another_frameworks_sessions_around(plugin: SQLStoresPlugin) -> None:
    """They are stored in a cookie that everybody who has it can read."""
    async with serve_sessions(plugin) as site:
        sessions = Middleware(StarletteSessions, secret_key="secret", session_cookie="theirs")
        part: Any = site.app
        around: Any = Starlette(routes=[Route("/count", count), Mount("/part", part)], middleware=[sessions])
        ada = Browser(around)
        await ada.do("/part/login/Ada")
        assert "theirs" not in ada.cookies
        assert await ada.read("/count") == {"count": 1}
        assert await ada.read("/part/") == {"name": "Ada"}
        assert await ada.read("/count") == {"count": 2}
        await ada.do("/part/logout")
        assert await ada.read("/count") == {"count": 3}


# -- mounted by a function


@pytest.mark.parametrize("copy_scope", [False, None])
@pytest.mark.parametrize("kind", ["ours", "server", "cookie"])
@pytest.mark.filterwarnings("ignore:.*copy_scope")
async def test_an_application_with_sessions_that_a_function_mounts(
    plugin: SQLStoresPlugin, kind: str, copy_scope: bool | None
) -> None:
    async with serve_sessions(plugin) as site:
        stores = {"sessions": site.app.stores.get("sessions")}
        inner = Litestar(HANDLERS, stores=stores, middleware=[session_config(kind, "inner").middleware], **BARE)

        @asgi("/part", is_mount=True, copy_scope=copy_scope)
        async def part(scope: Scope, receive: Receive, send: Send) -> None:
            await inner(scope, receive, send)

        site.app.register(part)
        ada = site.browser()
        await ada.do("/login/Ada")
        await ada.do("/part/write", part=1)
        assert ada.cookies["inner"] != ada.session_id
        assert await ada.read("/part/") == {"part": 1}
        assert await ada.read() == {"name": "Ada"}
        await ada.do("/part/logout")
        assert await ada.read() == {"name": "Ada"}


@pytest.mark.parametrize("kind", ["ours", "server", "starlette"])
async def test_an_application_with_sessions_that_a_mounted_one_mounts(plugin: SQLStoresPlugin, kind: str) -> None:
    async with serve_sessions(plugin) as site:
        if kind == "starlette":
            sessions = Middleware(StarletteSessions, secret_key="secret", session_cookie="inner")
            inner: Any = Starlette(routes=[Route("/write/", count, methods=["POST"])], middleware=[sessions])
        else:
            stores: Any = {"sessions": site.app.stores.get("sessions")}
            inner = Litestar(HANDLERS, stores=stores, middleware=[session_config(kind, "inner").middleware], **BARE)
        between = Litestar([*HANDLERS, asgi("/deep", is_mount=True, copy_scope=False)(inner)], **BARE)
        site.app.register(asgi("/part", is_mount=True, copy_scope=False)(between))
        ada = site.browser()
        await ada.do("/login/Ada")
        assert (await ada.post("/part/deep/write", json={"deep": 1})).is_success
        assert await ada.read() == {"name": "Ada"}
        await ada.post("/part/deep/logout")
        assert await ada.read("/part/") == {"name": "Ada"}
        await ada.do("/part/logout")
        assert await ada.read() == {}


async def test_a_mounted_application_with_sessions_of_another_framework(plugin: SQLStoresPlugin) -> None:
    middleware: Any = StarletteSessions
    sessions = DefineMiddleware(middleware, secret_key="secret", session_cookie="inner")
    inner = Litestar(HANDLERS, middleware=[sessions], **BARE)
    async with serve_sessions(plugin, asgi("/part", is_mount=True, copy_scope=False)(inner)) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        await ada.do("/part/write", part=1)
        assert await ada.read("/part/") == {"part": 1}
        assert await ada.read() == {"name": "Ada"}


# -- layers that change what a connection carries


class Layer:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class CopiesScope(Layer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope}, receive, send)


class CopiesScopeAndState(Layer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "state": {**scope["state"]}}, receive, send)


class ReplacesState(Layer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {}
        await self.app(scope, receive, send)


class DBSessionMiddleware(Layer):
    """That of a database has nothing to do with those of visitors."""


@pytest.mark.parametrize(
    "around, within",
    [([CopiesScope], []), ([CopiesScopeAndState], []), ([], [ReplacesState]), ([], [DBSessionMiddleware])],
    ids=["scope copied", "state copied", "state replaced", "database session"],
)
async def test_layers_that_change_what_a_connection_carries(
    plugin: SQLStoresPlugin, around: list[Any], within: list[Any]
) -> None:
    middleware = [*around, SQLSessionConfig().middleware, *within]
    async with serve(plugin, [*HANDLERS, set_anew], middleware=middleware) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        old = ada.session_id
        assert await ada.read() == {"a": 1}
        await ada.do("/login/Ada")
        assert ada.session_id not in (None, old)
        assert await ada.read() == {"a": 1, "name": "Ada"}
        await ada.do("/set")
        assert await ada.read() == {"set": True}
        await ada.do("/logout")
        assert ada.session_id is None
        assert site.errors == []


async def test_a_layer_around_sees_what_a_response_depends_on(plugin: SQLStoresPlugin) -> None:
    """One that keeps responses must not give this one to another visitor."""
    seen: list[Message] = []

    class Keeps(Layer):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def keep(message: Message) -> None:
                seen.append(message)
                await send(message)

            await self.app(scope, receive, keep)

    async with serve(plugin, HANDLERS, middleware=[Keeps, SQLSessionConfig().middleware]) as site:
        await site.browser().read()
        start: Any = seen[0]
        assert (b"vary", b"Cookie") in start["headers"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
async def test_a_copy_of_the_session_can_be_set(plugin: SQLStoresPlugin, copied: Any) -> None:
    @post("/copy")
    async def set_copy(request: AnyRequest) -> None:
        session = copied(request.session)
        session["copied"] = True
        request.set_session(session)

    async with serve_sessions(plugin, set_copy) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        await ada.do("/copy")
        assert await ada.read() == {"a": 1, "copied": True}
