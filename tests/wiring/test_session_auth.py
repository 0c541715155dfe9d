"""Litestar's SessionAuth, and its test client, with SQLSessionConfig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, get, post, websocket
from litestar.security.session_auth import SessionAuth
from litestar.testing import TestClient

from litestar_sqlstores import SQLSessionConfig, rotate_session_id
from tests.wiring.helpers import AnyRequest, AnyWebSocket, serve, set_cookies

if TYPE_CHECKING:
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection

    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]

USERS = {7: "Ada"}


def find_user(session: dict[str, Any], _: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    return USERS.get(session.get("user_id", -1))


@post("/login/{user:int}", exclude_from_auth=True)
async def login(request: AnyRequest) -> None:
    rotate_session_id(request)
    request.session["user_id"] = request.path_params["user"]


@get("/me")
async def me(request: AnyRequest) -> str:
    return str(request.user)


@get("/boom")
async def boom(request: AnyRequest) -> None:
    request.session["boom"] = True
    raise RuntimeError


@websocket("/socket")
async def socket_me(socket: AnyWebSocket) -> None:
    await socket.accept()
    await socket.send_text(str(socket.user))
    await socket.receive()


def auth_on_app(app_config: AppConfig) -> AppConfig:
    config = SQLSessionConfig(owner_key="user_id")
    auth: Any = SessionAuth(retrieve_user_handler=find_user, session_backend_config=config)
    return auth.on_app_init(app_config)  # type: ignore[no-any-return]


async def test_session_auth(plugin: SQLStoresPlugin) -> None:
    async with serve(plugin, [login, me, boom, socket_me], on_app_init=[auth_on_app]) as site:
        ada = site.browser()
        response = await ada.get("/me")
        assert response.status_code == 401
        assert not set_cookies(response)
        assert await site.rows() == []

        await ada.do("/login/7")
        assert (await ada.get("/me")).text == "Ada"
        assert [row["owner"] for row in await site.rows("owner")] == ["7"]
        async with ada.socket("/socket") as socket:
            assert socket.first["type"] == "websocket.accept"
        assert (await ada.get("/boom")).status_code == 500
        assert (await ada.get("/me")).text == "Ada"
        async with site.browser().socket("/socket") as socket:
            assert socket.first["type"] == "websocket.close"

        # A session of somebody who is no user any more ends.
        ghost = site.browser()
        await ghost.do("/login/8")
        response = await ghost.get("/me")
        assert response.status_code == 401
        assert set_cookies(response)["session"]["max-age"] == "0"
        assert ghost.session_id is None
        assert {row["owner"] for row in await site.rows("owner")} == {"7"}


def test_litestars_test_client_sets_and_gets_sessions(plugin: SQLStoresPlugin) -> None:
    @get("/")
    async def read(request: AnyRequest) -> dict[str, Any]:
        return dict(request.session)

    @post("/write")
    async def write(request: AnyRequest) -> None:
        request.session["b"] = 2

    config = SQLSessionConfig(owner_key="user_id")
    app = Litestar([read, write], plugins=[plugin], middleware=[config.middleware])
    with TestClient(app, session_config=config) as client:
        assert client.get_session_data() == {}
        client.set_session_data({"a": 1, "user_id": 7})
        assert client.get("/").json() == {"a": 1, "user_id": 7}
        client.post("/write")
        assert client.get_session_data() == {"a": 1, "user_id": 7, "b": 2}
        client.set_session_data({"c": 3})
        assert client.get("/").json() == {"c": 3}

        async def count() -> int:
            return len(await plugin.store.with_namespace("sessions").list_owned("7"))

        with client.portal() as portal:
            assert portal.call(count) == 0


def test_an_application_starts_again_in_another_loop(plugin: SQLStoresPlugin) -> None:
    @post("/write")
    async def write(request: AnyRequest) -> int:
        request.session["n"] = request.session.get("n", 0) + 1
        return int(request.session["n"])

    app = Litestar([write], plugins=[plugin], middleware=[SQLSessionConfig().middleware])
    cookies: dict[str, str] = {}
    for number in (1, 2):
        with TestClient(app, cookies=cookies) as client:
            response = client.post("/write")
            assert response.json() == number
            cookies = {"session": response.cookies["session"]}
