"""Sessions in websockets: what a handler changes before and after it accepts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from litestar import asgi, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketDisconnect
from litestar.types import Receive, Scope, Send

from litestar_sqlstores import SQLSessionConfig, rotate_session_id
from tests.wiring.helpers import AnyRequest, AnyWebSocket, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar_sqlstores import SQLStoresPlugin
    from tests.wiring.helpers import Site

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]


@get("/")
async def read(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@post("/write")
async def write(request: AnyRequest) -> None:
    request.session.update(await request.json())


@post("/logout")
async def logout(request: AnyRequest) -> None:
    request.clear_session()


async def obey(socket: AnyWebSocket) -> None:
    """Do what the client says, until it goes."""
    try:
        while True:
            match await socket.receive_text():
                case "clear":
                    socket.clear_session()
                case "begin":
                    socket.set_session({"new": True})
                case "rotate":
                    rotate_session_id(socket)
                case "raise":
                    raise RuntimeError
                case name:
                    socket.session[name] = socket.session.get(name, 0) + 1
            await socket.send_text("done")
    except WebSocketDisconnect:
        return


@websocket("/plain")
async def plain(socket: AnyWebSocket) -> None:
    await socket.accept()
    await obey(socket)


@websocket("/before")
async def before(socket: AnyWebSocket) -> None:
    socket.session["before"] = True
    await socket.accept(headers={"X-Mine": "yes"})
    await obey(socket)


@websocket("/rotated")
async def rotated(socket: AnyWebSocket) -> None:
    rotate_session_id(socket)
    socket.session["user"] = "Ada"
    await socket.accept()
    await obey(socket)


@websocket("/cleared")
async def cleared(socket: AnyWebSocket) -> None:
    socket.clear_session()
    await socket.accept()
    await obey(socket)


@websocket("/refused")
async def refused(socket: AnyWebSocket) -> None:
    socket.session["refused"] = True
    await socket.close()


@websocket("/failed")
async def failed(socket: AnyWebSocket) -> None:
    socket.session["failed"] = True
    raise RuntimeError


@asynccontextmanager
async def serve_sockets(plugin: SQLStoresPlugin, **options: Any) -> AsyncIterator[Site]:
    handlers = [read, write, logout, plain, before, rotated, cleared, refused, failed, denied]
    async with serve(plugin, handlers, SQLSessionConfig(**options)) as site:
        yield site


async def test_a_session_that_begins_before_accept(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site, site.browser().socket("/before") as socket:
        assert socket.first["type"] == "websocket.accept"
        assert (b"X-Mine", b"yes") in [(bytes(name).title(), value) for name, value in socket.first["headers"]]
        cookie = socket.cookies["session"]
        assert cookie["httponly"]
        assert await site.browser(cookie.value).read() == {"before": True}


async def test_changes_before_and_after_accept(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin, renew_on_access=False) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/before") as socket:
            assert await ada.read() == {"a": 1, "before": True}
            await socket.say("after")
            await socket.say("after")
        assert await ada.read() == {"a": 1, "before": True, "after": 2}
        assert len(await site.rows()) == 1


async def test_an_untouched_session_writes_nothing(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        async with ada.socket("/plain") as socket:
            assert not socket.cookies
        await ada.do("/write", a=1)
        calls.clear()
        async with ada.socket("/plain") as socket:
            assert not socket.cookies
        assert calls == ["get_and_renew"]


async def test_a_session_does_not_begin_after_accept(plugin: SQLStoresPlugin) -> None:
    """The browser would never know of it."""
    async with serve_sockets(plugin) as site:
        async with site.browser().socket("/plain") as socket:
            await socket.say("after")
        assert await site.rows() == []


async def test_the_id_changes_before_accept(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/rotated") as socket:
            new = site.browser(socket.cookies["session"].value)
            assert await new.read() == {"a": 1, "user": "Ada"}
            assert await ada.read() == {}
            await socket.say("after")
        assert await new.read() == {"a": 1, "user": "Ada", "after": 1}


async def test_the_id_does_not_change_after_accept(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/plain") as socket:
            await socket.say("rotate")
            await socket.say("after")
        assert await ada.read() == {"a": 1, "after": 1}
        assert len(await site.rows()) == 1


async def test_clearing_before_accept(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/cleared") as socket:
            assert socket.cookies["session"]["max-age"] == "0"
        assert await site.rows() == []


@pytest.mark.parametrize("words", [["clear"], ["clear", "begin"]])
async def test_clearing_after_accept(plugin: SQLStoresPlugin, words: list[str]) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/plain") as socket:
            for word in words:
                await socket.say(word)
        assert await site.rows() == []


async def test_a_handler_that_raises_after_accept(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/plain") as socket:
            await socket.say("after")
            assert (await socket.say("raise"))["type"] == "websocket.close"
        assert await ada.read() == {"a": 1, "after": 1}
        assert [type(error) for error in site.errors] == [RuntimeError]


@pytest.mark.parametrize("path", ["/refused", "/failed"])
async def test_a_handler_that_does_not_accept(plugin: SQLStoresPlugin, path: str) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        async with ada.socket(path) as socket:
            assert socket.first["type"] == "websocket.close"
        assert await site.rows() == []
        await ada.do("/write", a=1)
        async with ada.socket(path) as socket:
            assert socket.first["type"] == "websocket.close"
        assert await ada.read() == {"a": 1, path[1:]: True}


async def test_a_handshake_that_a_response_denies(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/denied") as socket:
            assert socket.first["type"] == "websocket.http.response.start"
        new_id = socket.cookies["session"].value
        assert new_id != ada.session_id
        assert await site.browser(ada.session_id).read() == {}
        assert await site.browser(new_id).read() == {"a": 1, "denied": True}


@asgi("/denied", copy_scope=False)
async def denied(scope: Scope, receive: Receive, send: Send) -> None:
    connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
    rotate_session_id(connection)
    connection.session["denied"] = True
    start: Any = {"type": "websocket.http.response.start", "status": 401, "headers": []}
    body: Any = {"type": "websocket.http.response.body", "body": b""}
    await send(start)
    await send(body)


async def test_a_session_that_ended_meanwhile_stays_ended(plugin: SQLStoresPlugin) -> None:
    async with serve_sockets(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with ada.socket("/plain") as socket:
            await socket.say("after")
            await ada.do("/logout")
        assert await site.rows() == []
