"""Litestar's own sessions, response cache and rate limit, unchanged, over every backend."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from httpx import ASGITransport, AsyncClient

from tests.backends import rows
from tests.contract.helpers import about
from tests.http.app import LIMIT, MAX_AGE, make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar import Litestar

    from tests.backends import Store, Stores

pytestmark = pytest.mark.about("data")

COOKIES = [
    *(b"%00", b"a%00b", b"null", b"", b'""', b"k" * 1_000, b"k" * 9_000, b"\xff\xfe\x80", b"%C3%A9", b"%", b"%zz"),
    *(b"%27%20OR%201=1--", b"a; session=b", b"../../etc/passwd", b"LITESTAR_sessions"),
]
VISIT = (("GET", "/me"), ("POST", "/count"), ("GET", "/me"), ("POST", "/logout"), ("GET", "/me"))


@asynccontextmanager
async def serve(stores: Stores, *, renew_on_access: bool = False) -> AsyncIterator[Litestar]:
    """An application in a process of its own, as far as stores go."""
    app = make_app(stores(), renew_on_access=renew_on_access)
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    # A task of its own, because fixtures begin and end in different ones.
    life = asyncio.create_task(live())
    await started.wait()
    yield app
    stop.set()
    await life


@pytest.fixture(params=[False, True], ids=["", "renewed on access"])
async def app(stores: Stores, request: pytest.FixtureRequest) -> AsyncIterator[Litestar]:
    async with serve(stores, renew_on_access=request.param) as app:
        yield app


@pytest.fixture
async def plain_app(stores: Stores) -> AsyncIterator[Litestar]:
    async with serve(stores) as app:
        yield app


def browser(app: Litestar, cookie: str | None = None) -> AsyncClient:
    transport = ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return AsyncClient(transport=transport, base_url="http://test", cookies={"session": cookie} if cookie else {})


def session_store(app: Litestar) -> Store:
    store: Any = app.stores.get("sessions")
    return store  # type: ignore[no-any-return]


async def post(visitor: AsyncClient, path: str) -> Any:
    response = await visitor.post(path)
    assert response.status_code == 201, response.text
    return response.json()


async def get(visitor: AsyncClient, path: str, headers: Any = None) -> Any:
    response = await visitor.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_log_in_count_and_log_out(app: Litestar) -> None:
    ada = browser(app)
    assert await get(ada, "/me") == {}
    await post(ada, "/login/Ada")
    assert [await post(ada, "/count") for _ in range(3)] == [1, 2, 3]
    assert await get(ada, "/me") == {"name": "Ada", "count": 3}
    session_id = ada.cookies["session"]
    assert await session_store(app).expires_in(session_id) == about(MAX_AGE)
    await post(ada, "/logout")
    assert await get(ada, "/me") == {}
    assert not await session_store(app).exists(session_id)
    # A copy of the cookie is worth nothing any more.
    assert await get(browser(app, session_id), "/me") == {}


async def test_browsers_do_not_see_each_other(plain_app: Litestar) -> None:
    names = [f"visitor {number}" for number in range(8)]
    browsers = [browser(plain_app) for _ in names]
    for name, visitor in zip(names, browsers, strict=True):
        await post(visitor, f"/login/{name}")
    for number, visitor in enumerate(browsers):
        for _ in range(number):
            await post(visitor, "/count")
    found = [await get(visitor, "/me") for visitor in browsers]
    assert found == [{"name": name, "count": number} for number, name in enumerate(names)]
    await post(browsers[0], "/logout")
    assert [await get(visitor, "/me") for visitor in browsers[1:]] == found[1:]


async def test_requests_at_once(plain_app: Litestar) -> None:
    browsers = [browser(plain_app) for _ in range(32)]
    await asyncio.gather(*(post(visitor, f"/login/{number}") for number, visitor in enumerate(browsers)))
    for _ in range(3):
        await asyncio.gather(*(post(visitor, "/count") for visitor in browsers))
    found = await asyncio.gather(*(get(visitor, "/me") for visitor in browsers))
    assert found == [{"name": str(number), "count": 3} for number in range(32)]
    # One browser with many requests at once: whatever they read, each answer is whole.
    answers = await asyncio.gather(*(get(browsers[0], "/me") for _ in range(32)))
    assert answers == [{"name": "0", "count": 3}] * 32


async def test_sessions_survive_a_restart(stores: Stores) -> None:
    async with serve(stores) as first:
        ada = browser(first)
        await post(ada, "/login/Ada")
        await post(ada, "/count")
        cookie = ada.cookies["session"]
    async with serve(stores) as second:
        ada = browser(second, cookie)
        assert await get(ada, "/me") == {"name": "Ada", "count": 1}
        assert await post(ada, "/count") == 2


async def test_an_application_can_be_started_again(plain_app: Litestar, stores: Stores) -> None:
    app = make_app(stores())
    for _ in range(3):
        async with app.lifespan():
            await post(browser(app), "/login/Ada")


async def test_workers_share_sessions(stores: Stores) -> None:
    async with serve(stores) as one, serve(stores) as other:
        ada = browser(one)
        await post(ada, "/login/Ada")
        there = browser(other, ada.cookies["session"])
        assert await post(there, "/count") == 1
        assert await post(ada, "/count") == 2
        await post(there, "/logout")
        assert await get(ada, "/me") == {}


async def test_every_request_renews_the_session(app: Litestar) -> None:
    ada = browser(app)
    await post(ada, "/login/Ada")
    session_id = ada.cookies["session"]
    await session_store(app).renew(session_id, 100)
    await get(ada, "/me")
    assert await session_store(app).expires_in(session_id) == about(MAX_AGE)


async def test_an_expired_session_is_gone(app: Litestar) -> None:
    ada = browser(app)
    await post(ada, "/login/Ada")
    await session_store(app).renew(ada.cookies["session"], 0.001)
    await asyncio.sleep(0.01)
    assert await get(ada, "/me") == {}


async def test_no_cookie_is_a_server_error(app: Litestar) -> None:
    for cookie in COOKIES:
        header: Any = [(b"cookie", b"session=" + cookie)]
        for method, path in VISIT:
            response = await browser(app).request(method, path, headers=header)
            assert response.status_code in {200, 201}, (cookie, path, response.text)


async def test_a_cookie_that_litestar_cannot_send_back_harms_nobody_else(app: Litestar) -> None:
    """With any store, its session middleware fails to write a header with characters that are not Latin-1."""
    ada = browser(app)
    await post(ada, "/login/Ada")
    for cookie in (b"%ff%fe", b"%ED%A0%80", b"e%CC%81", b"%F0%9F%98%80" * 750):
        header: Any = [(b"cookie", b"session=" + cookie)]
        await asyncio.gather(browser(app).get("/me", headers=header), post(ada, "/count"))
    assert await get(ada, "/me") == {"name": "Ada", "count": 4}


async def test_cookies_that_look_alike_are_sessions_of_their_own(plain_app: Litestar) -> None:
    cookies = ["session", "Session", "SESSION", "session%20", "%C3%A9", "%C3%89", "session%00", "session%00a"]
    for number, cookie in enumerate(cookies):
        for _ in range(number + 1):
            await browser(plain_app).post("/count", headers={"cookie": f"session={cookie}"})
    found = [await get(browser(plain_app), "/me", {"cookie": f"session={cookie}"}) for cookie in cookies]
    assert found == [{"count": number + 1} for number in range(len(cookies))]


async def test_the_table_holds_no_session_id(plain_app: Litestar, stores: Stores) -> None:
    ada = browser(plain_app)
    await post(ada, "/login/Ada")
    assert ada.cookies["session"] not in repr(await rows(stores()))


# -- response cache


@pytest.mark.formats("bytes")  # it stores msgpack
async def test_responses_are_cached_for_every_worker(stores: Stores) -> None:
    async with serve(stores) as one, serve(stores) as other:
        first = await get(browser(one), "/cached")
        assert first == {"call": 1, "bytes": "é\0😀"}
        assert await get(browser(one), "/cached") == first
        assert await get(browser(other), "/cached") == first
        assert (await get(browser(one), "/cached?page=2"))["call"] == 2
        assert await asyncio.gather(*(get(browser(other), "/cached") for _ in range(16))) == [first] * 16


@pytest.mark.formats("bytes")
async def test_clearing_the_cache_logs_nobody_out(plain_app: Litestar) -> None:
    ada = browser(plain_app)
    await post(ada, "/login/Ada")
    assert (await get(ada, "/cached"))["call"] == 1
    assert (await get(ada, "/cached"))["call"] == 1
    await plain_app.stores.get("response_cache").delete_all()
    assert (await get(ada, "/cached"))["call"] == 2
    assert await get(ada, "/me") == {"name": "Ada", "count": 0}
    await session_store(plain_app).delete_all()
    assert await get(ada, "/me") == {}
    assert (await get(ada, "/cached"))["call"] == 2


# -- rate limit


async def test_the_rate_limit_holds_for_each_client(plain_app: Litestar) -> None:
    async def visit(client: str) -> int:
        return (await browser(plain_app).get("/limited", headers={"x-client": client})).status_code

    assert [await visit("ada") for _ in range(LIMIT + 2)] == [200] * LIMIT + [429] * 2
    assert await visit("grace") == 200
    limits: Any = plain_app.stores.get("rate_limit")
    assert await limits.expires_in("RateLimitMiddleware::ada") == about(60)
    await limits.delete_all()
    assert await visit("ada") == 200


async def test_the_rate_limit_holds_for_all_workers(stores: Stores) -> None:
    async with serve(stores) as one, serve(stores) as other:
        apps = [one, other] * LIMIT
        found = [(await browser(app).get("/limited", headers={"x-client": "ada"})).status_code for app in apps]
        assert found == [200] * LIMIT + [429] * LIMIT
