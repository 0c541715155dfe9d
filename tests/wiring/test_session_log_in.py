"""Whoever logs in gets an id that nobody else can know, and keeps it though requests with the old one come late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from litestar import post

from litestar_sqlstores.sessions import saving
from tests.wiring.helpers import AnyRequest, set_cookies
from tests.wiring.session_app import serve_sessions

if TYPE_CHECKING:
    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]


@post("/enter/{name:str}")
async def enter(request: AnyRequest) -> None:
    """Log in as packages do that know nothing of this one."""
    request.set_session({"user": request.path_params["name"]})


@post("/add/{name:str}")
async def add(request: AnyRequest) -> None:
    request.session["user"] = request.path_params["name"]


@post("/leave")
async def leave(request: AnyRequest) -> None:
    del request.session["user"]


@pytest.mark.parametrize("owner_key", ["user", lambda session: session.get("user")])
@pytest.mark.parametrize("path", ["/enter/Ada", "/add/Ada"])
async def test_a_session_that_changes_hands_gets_another_id(plugin: SQLStoresPlugin, path: str, owner_key: Any) -> None:
    async with serve_sessions(plugin, enter, add, leave, owner_key=owner_key) as site:
        ada = site.browser()
        await ada.do("/write", state="planted")
        planted = ada.session_id
        await ada.do(path)
        assert ada.session_id not in {None, planted}
        assert await site.browser(planted).read() == {}
        assert (await ada.read())["user"] == "Ada"
        # No more than once, though.
        as_ada = ada.session_id
        await ada.do(path)
        await ada.do("/write", basket=1)
        assert ada.session_id == as_ada
        await ada.do("/leave")
        assert ada.session_id not in {None, as_ada}
        assert await site.browser(as_ada).read() == {}


async def test_without_owners_a_session_that_is_set_anew_gets_another_id(plugin: SQLStoresPlugin) -> None:
    @post("/more")
    async def more(request: AnyRequest) -> None:
        request.set_session({**request.session, "more": True})

    async with serve_sessions(plugin, enter, more) as site:
        ada = site.browser()
        await ada.do("/write", state="planted")
        planted = ada.session_id
        await ada.do("/more")
        assert ada.session_id == planted
        await ada.do("/enter/Ada")
        assert ada.session_id not in {None, planted}
        assert await site.browser(planted).read() == {}


@pytest.mark.parametrize("path", ["/enter", "/enter/object"])
async def test_a_log_in_over_another_gets_another_id(plugin: SQLStoresPlugin, path: str) -> None:
    """Whoever plants a cookie may be logged in, too."""

    @post("/enter/object/{name:str}")
    async def enter_object(request: AnyRequest) -> None:
        request.set_session(LoggedIn(request.path_params["name"]))

    async with serve_sessions(plugin, enter, enter_object) as site:
        mallory = site.browser()
        await mallory.do(f"{path}/Mallory")
        victim = site.browser(mallory.session_id)
        await victim.do(f"{path}/Ada")
        assert await victim.read() == {"user": "Ada"}
        assert await mallory.read() == {}


@dataclass
class LoggedIn:
    user: str


async def test_a_late_request_with_the_old_id_changes_nothing(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        old = ada.session_id
        await ada.do("/login/Ada")
        late = site.browser(old)
        for _ in range(2):
            response = await late.post("/write", json={"basket": 2})
            assert response.status_code == 201
            assert not set_cookies(response)
        assert await ada.read() == {"basket": 1, "name": "Ada"}
        # The mark itself is no session.
        assert await site.browser(f"rotated {old}").read() == {}


async def test_a_late_request_that_empties_its_session_removes_no_other_cookie(plugin: SQLStoresPlugin) -> None:
    loaded, go_on = asyncio.Event(), asyncio.Event()

    @post("/slow/empty")
    async def empty(request: AnyRequest) -> None:
        loaded.set()
        await go_on.wait()
        request.session.clear()

    async with serve_sessions(plugin, empty) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        late = asyncio.create_task(site.browser(ada.session_id).post("/slow/empty"))
        await loaded.wait()
        await ada.do("/login/Ada")
        go_on.set()
        assert not set_cookies(await late)
        assert await ada.read() == {"basket": 1, "name": "Ada"}


async def test_a_late_request_may_log_in_nevertheless(plugin: SQLStoresPlugin) -> None:
    """The response with the new id may have been lost on its way."""
    async with serve_sessions(plugin, enter, owner_key="user") as site:
        for path, entry in (("/login/Ada", {"name": "Ada"}), ("/enter/Ada", {"user": "Ada"})):
            ada = site.browser()
            await ada.do("/write", basket=1)
            old = ada.session_id
            await ada.do(path)
            again = site.browser(old)
            await again.do(path)
            assert again.session_id not in {None, old, ada.session_id}
            assert (await again.read()).items() >= entry.items()


async def test_the_old_id_is_forgotten_after_a_while(plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "ROTATED_SECONDS", 0.01)
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        old = ada.session_id
        await ada.do("/login/Ada")
        late = site.browser(old)
        async with asyncio.timeout(10):
            while late.session_id == old:
                await late.do("/write", basket=2)
        assert await late.read() == {"basket": 2}


async def test_a_rotation_that_fails_leaves_nothing(plugin: SQLStoresPlugin) -> None:
    @post("/ended")
    async def ended(request: AnyRequest) -> None:
        await site.store().delete(request.get_session_id() or "")
        request.set_session({"name": "Ada"})

    async with serve_sessions(plugin, ended) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        assert not set_cookies(await ada.post("/ended"))
        assert await site.rows() == []
