"""Ids of sessions: nobody chooses one, and they change at log-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar import post
from litestar.exceptions import NotAuthorizedException

from litestar_sqlstores import SQLSessionConfig, rotate_session_id
from litestar_sqlstores.errors import UnavailableError
from litestar_sqlstores.store import BaseSQLSpecStore
from tests.contract.helpers import about
from tests.wiring.helpers import CHOSEN_ID, MAX_AGE, STRANGE_COOKIES, AnyRequest, serve, set_cookies
from tests.wiring.session_app import HANDLERS, serve_sessions

if TYPE_CHECKING:
    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes")]


# -- nobody chooses an id


@pytest.mark.formats("bytes")
async def test_no_cookie_is_a_server_error_or_becomes_an_id(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        for number, cookie in enumerate(STRANGE_COOKIES):
            header: Any = [(b"cookie", b"session=" + cookie)]
            for method, path in (("GET", "/"), ("POST", "/logout"), ("POST", "/login/Ada"), ("POST", "/write")):
                response = await site.browser().request(method, path, headers=header, json={"number": number})
                assert response.status_code in {200, 201}, (cookie, response.text)
                new = set_cookies(response)
                if path in {"/", "/logout"}:
                    assert not new, cookie
                else:
                    assert new["session"].value.encode() != cookie
        assert len(await site.rows("key_digest")) == 2 * len(STRANGE_COOKIES)


@pytest.mark.formats("bytes")
async def test_an_id_that_was_never_given_out_is_nobodys(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        victim = site.browser(CHOSEN_ID)
        assert await victim.read() == {}
        assert await site.rows() == []
        await victim.do("/write", name="Ada")
        assert victim.session_id not in {None, CHOSEN_ID}
        assert await site.browser(CHOSEN_ID).read() == {}
        assert not await site.store().exists(CHOSEN_ID)


@pytest.mark.formats("bytes")
async def test_an_ended_session_does_not_come_back_under_its_id(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        old = ada.session_id
        await ada.do("/logout")
        again = site.browser(old)
        await again.do("/write", name="Grace")
        assert again.session_id not in {None, old}
        assert await site.browser(old).read() == {}


# -- ids that change


async def test_logging_in_changes_the_id(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", basket=["tea"])
        old = ada.session_id
        cookie = set_cookies(await ada.post("/login/Ada"))["session"]
        assert cookie.value == ada.session_id != old
        assert cookie["max-age"] == str(MAX_AGE)
        assert await ada.read() == {"basket": ["tea"], "name": "Ada"}
        assert await site.browser(old).read() == {}
        assert await site.store().expires_in(ada.session_id or "") == about(MAX_AGE, within=60)


@pytest.mark.formats("bytes")
async def test_an_id_changes_even_if_nothing_else_does(plugin: SQLStoresPlugin) -> None:
    @post("/rotate")
    async def rotate(request: AnyRequest) -> list[str]:
        rotate_session_id(request)
        return [rotate_session_id(request)]

    async with serve_sessions(plugin, rotate, renew_on_access=False) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        old = ada.session_id
        assert await ada.do("/rotate") == [ada.session_id] != [old]
        assert await ada.read() == {"name": "Ada"}
        assert await site.browser(old).read() == {}


@pytest.mark.formats("bytes")
async def test_an_id_changes_when_the_handler_raises_after_it(plugin: SQLStoresPlugin) -> None:
    @post("/two-factors")
    async def two_factors(request: AnyRequest) -> None:
        rotate_session_id(request)
        request.session["name"] = "Ada"
        raise NotAuthorizedException

    @post("/crash")
    async def crash(request: AnyRequest) -> None:
        rotate_session_id(request)
        raise RuntimeError

    async with serve(plugin, [*HANDLERS, two_factors, crash], SQLSessionConfig()) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        for path, status in (("/two-factors", 401), ("/crash", 500)):
            old = ada.session_id
            assert (await ada.post(path)).status_code == status
            assert ada.session_id not in {None, old}
            assert await ada.read() == {"a": 1, "name": "Ada"}
            assert await site.browser(old).read() == {}


@pytest.mark.formats("bytes")
async def test_rotating_a_session_that_is_not_stored_yet(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        assert await ada.read() == {"name": "Ada"}
        assert len(await site.rows()) == 1


@pytest.mark.formats("bytes")
async def test_logging_in_with_an_empty_session(plugin: SQLStoresPlugin) -> None:
    @post("/begin")
    async def begin(request: AnyRequest) -> None:
        request.clear_session()
        rotate_session_id(request)
        request.session["user"] = "Ada"

    async with serve_sessions(plugin, begin) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        old = ada.session_id
        await ada.do("/begin")
        assert await ada.read() == {"user": "Ada"}
        assert await site.browser(old).read() == {}


async def test_rotating_an_empty_session_is_nothing(plugin: SQLStoresPlugin) -> None:
    @post("/rotate")
    async def rotate(request: AnyRequest) -> None:
        request.session.clear()
        rotate_session_id(request)

    async with serve_sessions(plugin, rotate) as site:
        ada = site.browser()
        await ada.do("/rotate")
        assert ada.session_id is None
        await ada.do("/write", a=1)
        await ada.do("/rotate")
        assert ada.session_id is None
        assert await site.rows() == []


@pytest.mark.formats("bytes")
@pytest.mark.parametrize("broken", ["set", "replace", "delete"])
async def test_an_old_id_never_has_what_came_with_the_new_one(
    plugin: SQLStoresPlugin, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if the database goes away half-way: somebody else may know the old id."""

    async def fail(*_: Any, **__: Any) -> None:
        raise UnavailableError

    async with serve(plugin, HANDLERS, SQLSessionConfig()) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        old = ada.session_id
        with monkeypatch.context() as patch:
            patch.setattr(BaseSQLSpecStore, broken, fail)
            await ada.post("/login/Ada")
        assert "name" not in await site.browser(old).read()


async def test_a_session_that_begins_anew_in_one_request(plugin: SQLStoresPlugin) -> None:
    @post("/switch/{name:str}")
    async def switch(request: AnyRequest) -> None:
        request.clear_session()
        request.set_session({"name": request.path_params["name"]})

    @post("/switch-and-rotate/{name:str}")
    async def switch_and_rotate(request: AnyRequest) -> None:
        request.clear_session()
        request.set_session({"name": request.path_params["name"]})
        rotate_session_id(request)

    async with serve_sessions(plugin, switch, switch_and_rotate) as site:
        for path in ("/switch", "/switch-and-rotate"):
            ada = site.browser()
            await ada.do("/write", basket=["tea"])
            old = ada.session_id
            await ada.do(f"{path}/Grace")
            assert ada.session_id not in {None, old}
            assert await ada.read() == {"name": "Grace"}
            assert await site.browser(old).read() == {}


@pytest.mark.formats("bytes")
async def test_logging_in_anew_needs_no_old_session(plugin: SQLStoresPlugin) -> None:
    """What begins anew does not hang on a session that ended while the request was under way."""

    @post("/switch/{ended:str}")
    async def switch(request: AnyRequest) -> None:
        await site.store().delete(request.get_session_id() or "")
        request.clear_session()
        request.set_session({"name": "Grace"})
        if request.path_params["ended"] == "rotated":
            rotate_session_id(request)

    async with serve_sessions(plugin, switch) as site:
        for path in ("/switch/cleared", "/switch/rotated"):
            ada = site.browser()
            await ada.do("/write", basket=["tea"])
            await ada.do(path)
            assert await ada.read() == {"name": "Grace"}
