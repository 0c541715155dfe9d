"""Which cookies count, and which are sent: only with news, and never beside a response that is not the visitor's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Response, get, post
from litestar.datastructures import CacheControlHeader
from litestar.types import ASGIApp

from litestar_sqlstores import BaseSQLSpecStore, UnavailableError
from litestar_sqlstores.sessions.cookies import MAX_IDS
from tests.wiring.helpers import CHOSEN_ID, AnyRequest, set_cookies
from tests.wiring.session_app import serve_sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar_sqlstores import SQLStoresPlugin
    from tests.wiring.helpers import Browser, Site

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]

SHARED_HEADERS = [(b"content-type", b"text/plain"), (b"vary", b"Accept-Language")]


async def get_with(site: Site, path: str, *cookie_headers: str) -> Any:
    """Send headers as they are, without a cookie jar."""
    headers = [("cookie", value) for value in cookie_headers]
    return await site.browser().send(site.browser().build_request("GET", path, headers=headers))


async def new_session(site: Site, **data: Any) -> str:
    browser = site.browser()
    await browser.do("/write", **data)
    return browser.session_id or ""


@pytest.mark.parametrize(
    "as_headers",
    [
        lambda dead, alive: [f"session={dead}; session={alive}"],
        lambda dead, alive: [f"session={alive}; session={dead}"],
        lambda dead, alive: [f"session={dead}", f"session={alive}"],
        lambda dead, alive: ["a=b", f"session={alive}", "c=d"],
        lambda dead, alive: [f"xsession={dead};session={alive};session=", "session=null"],
        lambda dead, alive: [f'session="{alive}"'],
        lambda dead, alive: [
            "; ".join([f"session={number:064x}" for number in range(MAX_IDS - 1)]),
            f"session={alive}",
        ],
    ],
)
async def test_the_cookie_that_the_store_knows_counts(plugin: SQLStoresPlugin, as_headers: Any) -> None:
    async with serve_sessions(plugin) as site:
        alive = await new_session(site, name="Ada")
        response = await get_with(site, "/", *as_headers(CHOSEN_ID, alive))
        assert response.json() == {"name": "Ada"}


async def test_many_cookies_cost_no_more_than_a_few(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    async with serve_sessions(plugin) as site:
        calls.clear()
        response = await get_with(site, "/", "; ".join(f"session={number:064x}" for number in range(500)))
        assert response.status_code == 200
        assert len(calls) == MAX_IDS


async def test_of_two_sessions_the_first_counts_and_both_end(plugin: SQLStoresPlugin) -> None:
    """A browser sends the cookie of the longer path first; that of the other one would be its session afterwards."""

    @post("/end")
    async def end(request: AnyRequest) -> None:
        request.clear_session()

    async with serve_sessions(plugin, end) as site:
        one, other = await new_session(site, name="Ada"), await new_session(site, name="Grace")
        both = f"session={one}; session={other}"
        assert (await get_with(site, "/", both)).json() == {"name": "Ada"}
        browser = site.browser()
        await browser.send(browser.build_request("POST", "/end", headers={"cookie": both}))
        assert (await get_with(site, "/", both)).json() == {}


async def test_logging_in_leaves_no_other_session_that_could_come_first(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        one, other = await new_session(site, basket=1), await new_session(site, basket=2)
        browser = site.browser()
        headers = {"cookie": f"session={one}; session={other}"}
        response = await browser.send(browser.build_request("POST", "/login/Ada", headers=headers))
        new = set_cookies(response)["session"].value
        assert (await get_with(site, "/", f"session={other}; session={new}")).json() == {"basket": 1, "name": "Ada"}


# -- what is sent


async def test_a_cookie_is_sent_when_there_is_something_new(plugin: SQLStoresPlugin) -> None:
    async with serve_sessions(plugin) as site:
        ada = site.browser()
        assert set_cookies(await ada.post("/write", json={"a": 1}))
        for path in ("/", "/untouched"):
            assert not set_cookies(await ada.get(path))
        assert not set_cookies(await ada.post("/write", json={"a": 1}))
        assert set_cookies(await ada.post("/write", json={"a": 2}))
        await site.store().renew(ada.session_id or "", 100)
        assert set_cookies(await ada.get("/untouched"))["session"].value == ada.session_id
        assert not set_cookies(await ada.get("/untouched"))


async def test_a_renewal_that_cannot_be_checked_is_no_error(
    plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> bool:
        raise UnavailableError

    async with serve_sessions(plugin) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        await site.store().renew(ada.session_id or "", 100)
        monkeypatch.setattr(BaseSQLSpecStore, "exists", fail)
        response = await ada.get("/")
        assert response.json() == {"a": 1}
        assert not set_cookies(response)


@pytest.mark.parametrize("end", ["/login/Ada", "/logout"])
async def test_a_renewal_names_no_id_that_ended_meanwhile(plugin: SQLStoresPlugin, end: str) -> None:
    loaded, go_on = asyncio.Event(), asyncio.Event()

    @get("/slow")
    async def slow() -> None:
        loaded.set()
        await go_on.wait()

    async with serve_sessions(plugin, slow) as site:
        ada = site.browser()
        await ada.do("/write", basket=1)
        await site.store().renew(ada.session_id or "", 100)
        late = asyncio.create_task(site.browser(ada.session_id).get("/slow"))
        await loaded.wait()
        await ada.do(end)
        go_on.set()
        assert not set_cookies(await late)


async def vary_of(browser: Browser, method: str, path: str) -> Sequence[str]:
    response = await browser.request(method, path, json={"a": 1} if method == "POST" else None)
    assert response.status_code < 400, response.text
    return [field.strip().lower() for field in response.headers.get("vary", "").split(",") if field.strip()]


async def test_caches_are_told_what_depends_on_the_session(plugin: SQLStoresPlugin) -> None:
    @get("/language")
    async def language(request: AnyRequest) -> Response[str]:
        return Response(str(request.session.get("language")), headers={"Vary": "Accept-Language"})

    @get("/anything")
    async def anything(request: AnyRequest) -> Response[str]:
        return Response(str(request.session), headers={"Vary": "*"})

    @get("/length")
    async def length(request: AnyRequest) -> bool:
        return bool(request.session)

    async with serve_sessions(plugin, language, anything, length) as site:
        ada = site.browser()
        assert await vary_of(ada, "GET", "/untouched") == []
        assert await vary_of(ada, "GET", "/") == ["cookie"]
        assert await vary_of(ada, "GET", "/length") == ["cookie"]
        assert await vary_of(ada, "POST", "/write") == ["cookie"]
        assert await vary_of(ada, "GET", "/untouched") == []
        assert await vary_of(ada, "GET", "/language") == ["accept-language", "cookie"]
        assert await vary_of(ada, "GET", "/anything") == ["*"]
        await site.store().renew(ada.session_id or "", 100)
        assert await vary_of(ada, "GET", "/untouched") == ["cookie"]
        assert await vary_of(ada, "POST", "/logout") == ["cookie"]


async def test_no_cookie_goes_on_what_is_public(plugin: SQLStoresPlugin) -> None:
    public = CacheControlHeader(public=True, max_age=86400, s_maxage=10)

    @get("/logo", cache_control=public)
    async def logo() -> str:
        return "svg"

    @get("/greeting", cache_control=public)
    async def greeting(request: AnyRequest) -> str:
        request.session["seen"] = True
        return "hello"

    async with serve_sessions(plugin, logo, greeting) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        await site.store().renew(ada.session_id or "", 100)
        response = await ada.get("/logo")
        assert not set_cookies(response)
        assert "vary" not in response.headers
        assert "public" in response.headers["cache-control"]
        # What begins or changes a session is not public, whatever the route says: its cookie must get through.
        for browser in (ada, site.browser()):
            response = await browser.get("/greeting")
            assert set_cookies(response)
            assert response.headers["cache-control"] == "private, max-age=86400"
            assert response.headers["vary"] == "Cookie"


async def test_headers_that_responses_share_are_left_alone(plugin: SQLStoresPlugin) -> None:
    """An application may begin all its responses with one message, or with one list of headers."""

    @post("/constant")
    async def constant(request: AnyRequest) -> ASGIApp:
        async def respond(_: Any, __: Any, send: Any) -> None:
            await send(start)
            await send({"type": "http.response.body", "body": b"constant"})

        request.session["a"] = request.session.get("a", 0) + 1
        return respond

    start: Any = {"type": "http.response.start", "status": 201, "headers": SHARED_HEADERS}
    before = list(SHARED_HEADERS)
    async with serve_sessions(plugin, constant) as site:
        for _ in range(2):
            response = await site.browser().post("/constant")
            assert len(response.headers.get_list("set-cookie")) == 1
    assert before == SHARED_HEADERS
    assert start == {"type": "http.response.start", "status": 201, "headers": before}
