"""Mounted applications and the layers of others, beside a session that is none of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, asgi, get, post
from litestar.connection import ASGIConnection
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.memory import MemoryStore
from litestar.types import Receive, Scope, Send
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessions
from starlette.responses import JSONResponse
from starlette.routing import Route

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin, rotate_session_id
from tests.wiring.helpers import AnyRequest, set_cookies
from tests.wiring.session_app import HANDLERS, serve_sessions

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.sampled,
    pytest.mark.needs("processes"),
    pytest.mark.formats("bytes"),
    pytest.mark.filterwarnings("ignore:.*'?copy.scope'?"),
]

# Not set (None), mounted applications get the scope itself, with a warning.
COPY_SCOPE = pytest.mark.parametrize("copy_scope", [None, False, True])


def mount(app: Any, copy_scope: bool | None) -> Any:
    return asgi("/part", is_mount=True, copy_scope=copy_scope)(app)


@post("/change")
async def change(request: AnyRequest) -> None:
    request.session["changed"] = True


@post("/set")
async def set_anew(request: AnyRequest) -> None:
    request.set_session({"name": "Ada", "set": True})


@post("/rotate")
async def rotate(request: AnyRequest) -> None:
    rotate_session_id(request)
    request.session["rotated"] = True


# -- a mounted Litestar application without sessions of its own works on those of the one around it


@COPY_SCOPE
async def test_a_mounted_application_changes_the_session(plugin: SQLStoresPlugin, copy_scope: bool | None) -> None:
    part = mount(Litestar([change, set_anew, rotate, *HANDLERS], openapi_config=None), copy_scope)
    async with serve_sessions(plugin, part) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        await ada.do("/part/change")
        assert await ada.read() == {"name": "Ada", "changed": True}
        old = ada.session_id
        await ada.do("/part/rotate")
        assert await ada.read() == {"name": "Ada", "changed": True, "rotated": True}
        assert ada.session_id != old
        assert await ada.read("/part/") == await ada.read()
        await ada.do("/part/logout")
        assert ada.session_id is None
        assert await site.browser(old).read() == {}
        await ada.do("/part/login/Grace")
        assert await ada.read() == {"name": "Grace"}


@pytest.mark.parametrize("copy_scope", [None, False])
async def test_a_mounted_application_sets_another_session(plugin: SQLStoresPlugin, copy_scope: bool | None) -> None:
    part = mount(Litestar([set_anew], openapi_config=None), copy_scope)
    async with serve_sessions(plugin, part) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada", a=1)
        await ada.do("/part/set")
        assert await ada.read() == {"name": "Ada", "set": True}


class Layer:
    """Around an application, as tracing is."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def layer_of(app: Any) -> Any:
    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return layer


@pytest.mark.parametrize("layer", [Layer, layer_of])
async def test_a_mounted_application_within_a_layer_sets_another_session(plugin: SQLStoresPlugin, layer: Any) -> None:
    part = mount(layer(Litestar([set_anew, *HANDLERS], openapi_config=None)), copy_scope=False)
    async with serve_sessions(plugin, part) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada", a=1)
        await ada.do("/part/set")
        assert await ada.read() == {"name": "Ada", "set": True}
        await ada.do("/part/logout")
        assert ada.session_id is None


# -- one with sessions of its own has nothing to do with them


def litestar_with_sessions(folder: Path, *, ours: bool) -> Litestar:
    options: dict[str, Any] = {"openapi_config": None, "logging_config": None}
    if ours:
        plugins = [SQLStoresPlugin(f"sqlite:///{folder}/mounted.db", cleanup=False, dependency=None)]
        middleware = [SQLSessionConfig(key="inner").middleware]
        return Litestar(HANDLERS, plugins=plugins, middleware=middleware, **options)
    middleware = [ServerSideSessionConfig(key="inner").middleware]
    return Litestar(HANDLERS, stores={"sessions": MemoryStore()}, middleware=middleware, **options)


@COPY_SCOPE
@pytest.mark.parametrize("ours", [True, False], ids=["SQLSessionConfig", "ServerSideSessionConfig"])
async def test_a_mounted_application_with_sessions_of_its_own(
    plugin: SQLStoresPlugin, copy_scope: bool | None, ours: bool, tmp_path: Path
) -> None:
    inner = litestar_with_sessions(tmp_path, ours=ours)
    async with inner.lifespan(), serve_sessions(plugin, mount(inner, copy_scope)) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        outer_id = ada.session_id
        await ada.do("/part/write", inner=1)
        assert ada.cookies["inner"] != outer_id
        assert await ada.read("/part/") == {"inner": 1}
        assert await ada.read() == {"name": "Ada"}
        await ada.do("/part/logout")
        assert await ada.read("/part/") == {}
        assert await ada.read() == {"name": "Ada"}
        assert ada.session_id == outer_id


@COPY_SCOPE
@pytest.mark.parametrize("ours", [True, False], ids=["SQLSessionConfig", "ServerSideSessionConfig"])
async def test_a_mounted_application_with_sessions_begins_none_around_it(
    plugin: SQLStoresPlugin, copy_scope: bool | None, ours: bool, tmp_path: Path
) -> None:
    inner = litestar_with_sessions(tmp_path, ours=ours)
    async with inner.lifespan(), serve_sessions(plugin, mount(inner, copy_scope)) as site:
        response = await site.browser().post("/part/write", json={"inner": 1})
        assert list(set_cookies(response)) == ["inner"]
        assert await site.rows() == []


@COPY_SCOPE
async def test_starlette_with_sessions_of_its_own(plugin: SQLStoresPlugin, copy_scope: bool | None) -> None:
    async def work(request: Any) -> JSONResponse:
        request.session["count"] = request.session.get("count", 0) + 1
        return JSONResponse(request.session)

    async def leave(request: Any) -> JSONResponse:
        request.session.clear()
        return JSONResponse({})

    middleware = [Middleware(StarletteSessions, secret_key="secret", session_cookie="theirs")]
    panel = Starlette(routes=[Route("/work/", work), Route("/leave/", leave)], middleware=middleware)
    async with serve_sessions(plugin, mount(panel, copy_scope)) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        assert [(await ada.get("/part/work")).json() for _ in range(2)] == [{"count": 1}, {"count": 2}]
        assert await ada.read() == {"name": "Ada"}
        assert (await ada.get("/part/leave")).json() == {}
        assert await ada.read() == {"name": "Ada"}
        assert not set_cookies(await site.browser().get("/part/work")).get("session")


@pytest.mark.parametrize("left", [{"user": "mallory"}, {}, None, "text"])
@COPY_SCOPE
async def test_what_a_plain_application_leaves_in_the_scope(
    plugin: SQLStoresPlugin, copy_scope: bool | None, left: Any
) -> None:
    async def panel(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"] = left
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"panel", "more_body": False})

    async with serve_sessions(plugin, mount(panel, copy_scope)) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        assert (await ada.get("/part")).text == "panel"
        assert await ada.read() == {"name": "Ada"}


@COPY_SCOPE
async def test_a_plain_application_may_use_the_session_through_litestar(
    plugin: SQLStoresPlugin, copy_scope: bool | None
) -> None:
    async def panel(scope: Scope, receive: Receive, send: Send) -> None:
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        if scope["query_string"]:
            connection.clear_session()
        else:
            connection.session["count"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"panel", "more_body": False})

    async with serve_sessions(plugin, mount(panel, copy_scope)) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        await ada.get("/part")
        assert await ada.read() == {"name": "Ada", "count": 1}
        await ada.get("/part?end")
        assert ada.session_id is None


# -- the layers of others


async def test_another_frameworks_middleware_within(plugin: SQLStoresPlugin) -> None:
    """Handlers see its session; ours is neither replaced nor ended by that."""
    middleware: Any = [lambda app: StarletteSessions(app, secret_key="secret", session_cookie="theirs")]
    route = get("/theirs", middleware=middleware)(theirs)
    async with serve_sessions(plugin, route) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        assert await ada.read("/theirs") == {"theirs": True}
        assert await ada.read() == {"name": "Ada"}


async def theirs(request: AnyRequest) -> dict[str, Any]:
    request.session["theirs"] = True
    return dict(request.session)


async def test_a_middleware_that_copies_the_scope(plugin: SQLStoresPlugin) -> None:
    def copying(app: Any) -> Any:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope}, receive, send)

        return call

    copied = [post(handler_path, middleware=[copying])(function) for handler_path, function in COPIED.items()]
    async with serve_sessions(plugin, *copied) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        await ada.do("/copied/change")
        assert await ada.read() == {"name": "Ada", "changed": True}
        old = ada.session_id
        await ada.do("/copied/rotate")
        assert ada.session_id != old
        await ada.do("/copied/leave")
        assert ada.session_id is None
        assert await site.browser(old).read() == {}


async def change_copied(request: AnyRequest) -> None:
    request.session["changed"] = True


async def rotate_copied(request: AnyRequest) -> None:
    rotate_session_id(request)


async def leave_copied(request: AnyRequest) -> None:
    request.clear_session()


COPIED = {"/copied/change": change_copied, "/copied/rotate": rotate_copied, "/copied/leave": leave_copied}
