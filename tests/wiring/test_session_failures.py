"""A session that cannot be stored or loaded: one other response begins, and nothing of the first one is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, Response, asgi, get, post
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.response import ServerSentEvent, Stream
from litestar.security.session_auth import SessionAuth
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from litestar_sqlstores import SQLSessionConfig, StoreError, UnavailableError
from litestar_sqlstores.store import BaseSQLSpecStore
from tests.wiring.helpers import AnyRequest, Browser, serve, set_cookies
from tests.wiring.session_app import HANDLERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.connection import ASGIConnection

    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]

LONG = "a page that is worth compressing " * 100


def come_back(_: AnyRequest, error: StoreError) -> Response[str]:
    return Response("come back", status_code=503, headers={"Retry-After": "5"})


class Recorder:
    """A layer that notes how responses begin."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.begun.append(message["status"])
                await send(message)

            await app(scope, receive, noting)

        return call


@get("/page")
async def page(request: AnyRequest) -> str:
    request.session["a"] = 1
    return LONG


@get("/cached", cache=60)
async def cached(request: AnyRequest) -> str:
    if "x-write" in request.headers:
        request.session["a"] = 1
    return LONG


@get("/stream")
async def stream(request: AnyRequest) -> Stream:
    async def body() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    request.session["a"] = 1
    return Stream(body())


@get("/events")
async def events(request: AnyRequest) -> ServerSentEvent:
    async def body() -> AsyncIterator[str]:
        yield "a"

    request.session["a"] = 1
    return ServerSentEvent(body())


@get("/raising")
async def raising(request: AnyRequest) -> str:
    request.session["a"] = 1
    raise RuntimeError


@asgi("/stubborn", copy_scope=True)
async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers whatever happens, as layers do that know nothing of what is around them."""
    scope["session"]["a"] = 1  # type: ignore[index]
    for status in (200, 500):
        try:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"stubborn", "more_body": False})
        except Exception:  # noqa: BLE001
            continue


async def starlette_page(request: Any) -> PlainTextResponse:
    request.session["a"] = 1
    return PlainTextResponse("page")


async def starlette_stream(request: Any) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        yield "a"

    request.session["a"] = 1
    return StreamingResponse(body())


PANEL = asgi("/panel", is_mount=True, copy_scope=True)(
    Starlette(routes=[Route("/page/", starlette_page), Route("/stream/", starlette_stream)])
)
PART = asgi("/part", is_mount=True, copy_scope=False)(Litestar([page, stream], openapi_config=None))
COPIED = asgi("/copied", is_mount=True, copy_scope=True)(Litestar([page, stream], openapi_config=None))
ROUTES = [*HANDLERS, page, cached, stream, events, raising, stubborn, PANEL, PART, COPIED]
PATHS = ["/page", "/cached", "/stream", "/events", "/raising", "/stubborn", "/panel/page", "/panel/stream"]
PATHS += ["/part/page", "/part/stream", "/copied/page", "/copied/stream"]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have an operation of all stores fail."""

    def break_operation(name: str) -> None:
        async def fail(*_: Any, **__: Any) -> None:
            msg = "no database"
            raise UnavailableError(msg)

        monkeypatch.setattr(BaseSQLSpecStore, name, fail)

    return break_operation


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("options", [{}, {"compression_config": CompressionConfig("gzip")}], ids=["plain", "gzip"])
async def test_one_other_response_begins(
    plugin: SQLStoresPlugin, path: str, options: dict[str, Any], away: Callable[..., None]
) -> None:
    within, around = Recorder(), Recorder()
    config = SQLSessionConfig()
    options |= {
        "exception_handlers": {StoreError: come_back},
        "cors_config": CORSConfig(),
        "middleware": [within],
    }
    async with serve(plugin, ROUTES, config, **options) as site:
        away("set")
        browser = Browser(around(site.app), None)  # type: ignore[arg-type]
        response = await browser.get(path, headers={"x-write": "1"})
        assert (response.status_code, response.text) == (503, "come back")
        assert response.headers["retry-after"] == "5"
        assert not set_cookies(response)
        assert around.begun == [503]
        assert len(within.begun) == 1 or path == "/stubborn"
        assert [type(error) for error in site.errors][-1] is UnavailableError


async def test_nothing_of_the_response_is_in_the_cache(
    plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(plugin, ROUTES, SQLSessionConfig()) as site:
        site.app.stores.get("response_cache")
        save = SQLSessionConfig.owner_of

        def fail(*_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(SQLSessionConfig, "owner_of", fail)
        assert (await site.browser().get("/cached", headers={"x-write": "1"})).status_code == 500
        monkeypatch.setattr(SQLSessionConfig, "owner_of", save)
        response = await site.browser().get("/cached")
        assert (response.status_code, response.text) == (200, LONG)


@pytest.mark.parametrize("path", PATHS)
async def test_a_session_that_could_not_be_loaded_is_not_saved(
    plugin: SQLStoresPlugin, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise UnavailableError

    async with serve(plugin, ROUTES, SQLSessionConfig(), exception_handlers={StoreError: come_back}) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        before = await site.rows()
        with monkeypatch.context() as patch:
            patch.setattr(BaseSQLSpecStore, "get_stored", fail)
            response = await ada.get(path, headers={"x-write": "1"})
        assert response.status_code == 503
        assert not set_cookies(response)
        assert await site.rows() == before
        assert await ada.read() == {"name": "Ada"}


async def test_with_session_auth(plugin: SQLStoresPlugin, away: Callable[..., None]) -> None:
    """Its layers stand between the session and the application, an exception handler of its own among them."""

    async def find_user(session: dict[str, Any], connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
        return session.get("name")

    config = SQLSessionConfig()
    auth = SessionAuth[str, Any](retrieve_user_handler=find_user, session_backend_config=config, exclude=["^/login"])
    handlers: Any = {StoreError: come_back}
    async with serve(plugin, [page, *HANDLERS], on_app_init=[auth.on_app_init], exception_handlers=handlers) as site:
        ada = site.browser()
        await ada.do("/login/Ada")
        away("replace")
        around = Recorder()
        response = await Browser(around(site.app), ada.session_id).get("/page")  # type: ignore[arg-type]
        assert (response.status_code, response.text) == (503, "come back")
        assert around.begun == [503]


async def test_an_application_may_answer_with_a_session_of_its_own(plugin: SQLStoresPlugin) -> None:
    """What a handler of exceptions does is the application's answer, and has a session like any other."""

    @post("/forbidden")
    async def forbidden(request: AnyRequest) -> None:
        request.session["seen"] = True
        raise PermissionError

    def refuse(request: AnyRequest, _: PermissionError) -> Response[str]:
        request.session["refused"] = True
        return Response("no", status_code=403)

    handlers: Any = {PermissionError: refuse}
    async with serve(plugin, [*HANDLERS, forbidden], SQLSessionConfig(), exception_handlers=handlers) as site:
        ada = site.browser()
        assert (await ada.post("/forbidden")).status_code == 403
        assert await ada.read() == {"seen": True, "refused": True}
