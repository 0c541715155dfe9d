"""When a session begins and ends, and what is not written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from litestar import get, post
from litestar.exceptions import NotAuthorizedException
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.response import Stream

from litestar_sqlstores import SQLSessionConfig
from tests.contract.helpers import about
from tests.wiring.helpers import CHOSEN_ID, MAX_AGE, AnyRequest, new_plugin, serve, set_cookies
from tests.wiring.session_app import HANDLERS, serve_sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar_sqlstores import SQLStoresPlugin
    from tests.backends import Database

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes")]


# -- life


async def test_a_session_lives_from_its_first_entry_to_its_end(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        assert await ada.read() == {}
        await ada.do("/write", count=1)
        assert await ada.read() == {"count": 1}
        session_id = ada.session_id
        await ada.do("/write", count=2)
        assert await ada.read() == {"count": 2}
        assert ada.session_id == session_id
        assert len(await site.rows()) == 1

        response = await ada.post("/logout")
        cookie = set_cookies(response)["session"]
        assert (cookie.value, cookie["max-age"]) == ("", "0")
        assert ada.session_id is None
        assert await site.rows() == []
        assert await site.browser(session_id).read() == {}


@pytest.mark.formats("bytes")
async def test_the_cookie_is_as_the_config_says(plugin: SQLStoresPlugin) -> None:
    options: Any = {"key": "sid", "path": "/write", "domain": "test.local", "secure": True, "samesite": "strict"}
    async with serve_sessions(plugin, session_id_bytes=16, **options) as site:
        cookie = set_cookies(await site.browser().post("/write", json={"a": 1}))["sid"]
        assert len(cookie.value) == 32
        assert {name: value for name, value in cookie.items() if value} == {
            "path": "/write",
            "domain": "test.local",
            "secure": True,
            "samesite": "strict",
            "httponly": True,
            "max-age": str(MAX_AGE),
        }


@pytest.mark.formats("bytes")
async def test_sessions_of_litestars_own_config_go_on(plugin: SQLStoresPlugin) -> None:
    async with serve(plugin, HANDLERS, ServerSideSessionConfig()) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        session_id = ada.session_id
    async with serve_sessions(plugin) as site:
        assert await site.browser(session_id).read() == {"name": "Ada"}


# -- what is not written


@pytest.mark.formats("bytes")
async def test_anonymous_requests_leave_nothing(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    async with serve_sessions(plugin) as site:
        calls.clear()
        for path in ("/", "/untouched", "/", "/untouched", "/"):
            response = await site.browser().get(path)
            assert not set_cookies(response)
        for _ in range(5):  # with a cookie that is worth nothing
            response = await site.browser(CHOSEN_ID).get("/")
            assert not set_cookies(response)
        assert calls == ["get_and_renew"] * 5
        assert await site.rows() == []


@pytest.mark.formats("bytes")
async def test_an_emptied_session_is_no_session(plugin: SQLStoresPlugin) -> None:
    @post("/empty")
    async def empty(request: AnyRequest) -> None:
        request.session.clear()

    @post("/never")
    async def never(request: AnyRequest) -> None:
        request.session["a"] = 1
        del request.session["a"]

    async with serve_sessions(plugin, empty, never) as site:
        ada = site.browser()
        await ada.do("/never")
        await ada.do("/empty")
        assert ada.session_id is None
        await ada.do("/write", a=1)
        await ada.do("/empty")
        assert ada.session_id is None
        assert await site.rows() == []


async def test_reading_writes_nothing(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada", list=[1, {"a": 1.5}], z=1, a=2)
        before = await site.rows()
        calls.clear()
        for _ in range(5):
            assert (await ada.read())["name"] == "Ada"
            await ada.read("/untouched")
        assert calls == ["get_and_renew"] * 10
        # Not even a renewal: each would have moved the expiry.
        assert await site.rows() == before
        assert len(before) == 1


async def test_writing_what_is_there_writes_nothing(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    now = datetime.now(UTC)

    @post("/same")
    async def same(request: AnyRequest) -> None:
        request.session["at"] = now
        request.session["numbers"] = (1, 2)

    async with serve_sessions(plugin, same) as site:
        ada = site.browser()
        await ada.do("/same")
        calls.clear()
        await ada.do("/same")
        assert calls == ["get_and_renew"]


@pytest.mark.formats("bytes")
async def test_use_makes_a_session_live_on(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        await site.store().renew(ada.session_id or "", 100)
        response = await ada.get("/untouched")
        assert set_cookies(response)["session"]["max-age"] == str(MAX_AGE)
        assert await site.store().expires_in(ada.session_id or "") == about(MAX_AGE, within=60)


@pytest.mark.formats("bytes")
async def test_without_renewal_only_a_change_makes_a_session_live_on(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin, renew_on_access=False) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        session_id = ada.session_id or ""
        await site.store().renew(session_id, 100)
        assert not set_cookies(await ada.get("/"))
        assert await site.store().expires_in(session_id) == about(100, within=60)
        # The cookie must live as long as the session does.
        cookie = set_cookies(await ada.post("/write", json={"name": "Grace"}))["session"]
        assert (cookie.value, cookie["max-age"]) == (session_id, str(MAX_AGE))
        assert await site.store().expires_in(session_id) == about(MAX_AGE, within=60)


# -- how requests end


@pytest.mark.formats("bytes")
async def test_a_session_is_stored_when_the_handler_raises(plugin: SQLStoresPlugin) -> None:
    @post("/fail/{status:int}")
    async def fail(request: AnyRequest) -> None:
        request.session["failures"] = request.session.get("failures", 0) + 1
        if request.path_params["status"] == 401:
            raise NotAuthorizedException
        raise RuntimeError

    async with serve(plugin, [*HANDLERS, fail], SQLSessionConfig()) as site:
        ada = site.browser()
        assert (await ada.post("/fail/401")).status_code == 401
        assert (await ada.post("/fail/500")).status_code == 500
        assert await ada.read() == {"failures": 2}


@pytest.mark.formats("bytes")
async def test_streams_store_what_changed_before_they_began(plugin: SQLStoresPlugin) -> None:
    @post("/stream")
    async def stream(request: AnyRequest) -> Stream:
        async def body() -> AsyncIterator[str]:
            request.session["late"] = True
            yield "a"
            yield "b"

        request.session["early"] = True
        return Stream(body())

    async with serve_sessions(plugin, stream) as site:
        ada = site.browser()
        assert (await ada.post("/stream")).text == "ab"
        assert (await ada.read())["early"] is True


@pytest.mark.formats("bytes")
async def test_routes_can_do_without(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    @get("/opt", skip_session=True)
    async def opt(request: AnyRequest) -> bool:
        return "session" in request.scope

    @get("/excluded/page")
    async def excluded(request: AnyRequest) -> bool:
        return "session" in request.scope

    async with serve_sessions(plugin, opt, excluded, exclude=["^/excluded"]) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        calls.clear()
        for path in ("/opt", "/excluded/page"):
            response = await ada.get(path)
            assert response.json() is False
            assert not set_cookies(response)
        assert calls == []


@pytest.mark.formats("bytes")
async def test_workers_share_sessions(database: Database, data_format: str) -> None:
    one, other = (new_plugin(database, data_format) for _ in range(2))
    async with serve_sessions(one) as here, serve_sessions(other) as there:
        ada = here.browser()
        await ada.do("/login/Ada")
        assert await there.browser(ada.session_id).read() == {"name": "Ada"}
        await there.browser(ada.session_id).do("/logout")
        assert await ada.read() == {}
