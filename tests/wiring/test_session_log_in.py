"""Whoever logs in gets an id that nobody else can know, and keeps it though requests with the old one come late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from litestar import post

from litestar_sqlstores import rotate_session_id
from litestar_sqlstores.sessions import rotations
from litestar_sqlstores.store import BaseSQLSpecStore
from tests.wiring.helpers import AnyRequest, set_cookies
from tests.wiring.session_app import serve_sessions

if TYPE_CHECKING:
    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes")]


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
        store: Any = site.store()
        mark = f"rotated {store.digest(old).hex()}"
        assert await store.exists(mark)
        assert await site.browser(mark).read() == {}


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


@pytest.mark.parametrize("rotations_meanwhile", [1, 2, 3])
async def test_a_log_out_ends_the_session_that_has_got_another_id(
    plugin: SQLStoresPlugin, rotations_meanwhile: int
) -> None:
    """The browser keeps the cookie of the log-in, if that is answered last."""
    loaded, go_on = asyncio.Event(), asyncio.Event()

    @post("/slow/logout")
    async def log_out(request: AnyRequest) -> None:
        loaded.set()
        await go_on.wait()
        request.clear_session()

    async with serve_sessions(plugin, log_out) as site:
        ada, other = site.browser(), site.browser()
        await ada.do("/write", basket=1)
        await other.do("/login/Bob")
        old = site.browser(ada.session_id)
        leaving = asyncio.create_task(old.post("/slow/logout"))
        await loaded.wait()
        for _ in range(rotations_meanwhile):
            await ada.do("/login/Ada")
        assert (await ada.read())["name"] == "Ada"
        go_on.set()
        await leaving
        assert await ada.read() == {}
        assert (await other.read())["name"] == "Bob"


async def test_a_log_out_in_the_midst_of_a_rotation_ends_the_session(
    plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new id is stored already, the old one is still that of the session."""
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        leaving = site.browser(ada.session_id)
        original, left = BaseSQLSpecStore.replace, False

        async def log_out_before(self: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal left
            if not left:
                left = True
                await leaving.do("/logout")
            return await original(self, *arguments, **options)

        monkeypatch.setattr(BaseSQLSpecStore, "replace", log_out_before)
        await ada.do("/login/Ada")
        assert left
        assert await ada.read() == {}


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
    monkeypatch.setattr(rotations, "ROTATED_SECONDS", 0.01)
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
        store: Any = site.store()
        await store.delete_expired()
        assert await site.rows() == []


async def test_a_rotation_that_cannot_be_stored_leaves_no_mark(plugin: SQLStoresPlugin) -> None:
    """Once the session has ended, its id would count as one that was rotated away."""

    @post("/spoil")
    async def spoil(request: AnyRequest) -> None:
        rotate_session_id(request)
        request.session["large"] = "x" * 10_000_000

    async with serve_sessions(plugin, spoil) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        assert (await ada.post("/spoil")).status_code == 500
        site.errors.clear()
        again = site.browser(ada.session_id)
        await ada.do("/logout")
        await again.do("/write", basket=2)
        assert again.session_id not in {None, ada.session_id}
        assert await again.read() == {"basket": 2}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_rotations_at_once_the_one_that_counts_is_remembered(
    plugin: SQLStoresPlugin, order: tuple[int, int]
) -> None:
    loaded, go_on = asyncio.Semaphore(0), [asyncio.Event(), asyncio.Event()]

    @post("/slow/login/{number:int}")
    async def log_in(request: AnyRequest) -> None:
        rotate_session_id(request)
        request.session["name"] = "Ada"
        loaded.release()
        await go_on[request.path_params["number"]].wait()

    async with serve_sessions(plugin, log_in) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        old = ada.session_id
        logging_in = [asyncio.create_task(site.browser(old).post(f"/slow/login/{number}")) for number in (0, 1)]
        for _ in logging_in:
            await loaded.acquire()
        for number in order:
            go_on[number].set()
            await logging_in[number]
        late = site.browser(old)
        assert not set_cookies(await late.post("/write", json={"basket": 2}))
