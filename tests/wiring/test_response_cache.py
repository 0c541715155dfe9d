"""Litestar's `cache=` on handlers: what is stored, and who gets it."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from litestar import MediaType, Response, get, post, route
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.config.response_cache import CACHE_FOREVER, ResponseCacheConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.di import NamedDependency, Provide
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromPath
from litestar.response import Stream
from litestar.stores.memory import MemoryStore

from litestar_sqlstores import SQLSessionConfig
from tests.contract.helpers import about
from tests.wiring.helpers import AnyRequest, new_plugin, serve, set_cookies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from litestar_sqlstores import SQLStoresPlugin
    from tests.backends import Database
    from tests.wiring.helpers import Site

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]

DESPITE: dict[str, Any] = {"cache_despite_credentials": True}


@post("/log-in/{name:str}")
async def log_in(request: AnyRequest, name: FromPath[str]) -> None:
    request.set_session({"user": name})


@get("/me")
async def me(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@asynccontextmanager
async def serve_cached(
    plugin: SQLStoresPlugin, *handlers: Any, sessions: ServerSideSessionConfig | None = None, **options: Any
) -> AsyncIterator[Site]:
    mine = [log_in, me] if sessions else []
    async with serve(plugin, [*handlers, *mine], sessions, **options) as site:
        yield site


def counted(answer: Callable[[AnyRequest, int], Any] = lambda _, call: call, **options: Any) -> Any:
    """A cached route at `/page` that answers with the number of its call, or what is made of that."""
    calls = itertools.count(1)

    @get("/page", **{"cache": 100, **options})
    async def page(request: AnyRequest) -> Any:
        return answer(request, next(calls))

    return page


def raw(*messages: dict[str, Any]) -> Any:
    """A cached route at `/page` that sends messages, and counts how often it does."""

    @get("/page", cache=100, sync_to_thread=False)
    def page() -> ASGIApp:
        page.opt["calls"] = page.opt.get("calls", 0) + 1
        return Raw(*messages)

    return page


async def texts(site: Site, *headers: dict[str, str], path: str = "/page") -> list[str]:
    """What strangers get who ask one after another."""
    return [(await site.browser().get(path, headers=each)).text for each in headers]


# -- nobody gets what is another's


@pytest.mark.parametrize("config", [SQLSessionConfig, ServerSideSessionConfig])
async def test_a_cached_page_hands_out_no_session(
    plugin: SQLStoresPlugin, config: type[ServerSideSessionConfig]
) -> None:
    async with serve_cached(plugin, counted(), sessions=config(renew_on_access=True)) as site:
        ada = site.browser()
        await ada.do("/log-in/ada")
        ada_id = str(ada.session_id)
        # Who has a session is served from the cache as everybody is, and fills it.
        assert [(await ada.get("/page")).text for _ in range(2)] == ["1", "1"]
        stranger = site.browser()
        response = await stranger.get("/page")
        assert response.text == "1"
        assert ada_id not in repr(response.headers)
        assert await stranger.read("/me") == {}
        assert await ada.read("/me") == {"user": "ada"}
        assert ada_id not in repr(await site.rows())


@pytest.mark.parametrize(
    "use",
    [
        lambda r: r.session.get("user"),
        lambda r: "session" in r.scope,
        lambda r: {**r.scope}["session"],
        lambda r: r.get_session_id(),
        lambda r: dict(r.scope.items())["session"],
    ],
)
@pytest.mark.parametrize("config", [SQLSessionConfig, ServerSideSessionConfig])
async def test_what_was_made_with_a_session_is_not_stored(
    plugin: SQLStoresPlugin, config: type[ServerSideSessionConfig], use: Callable[[AnyRequest], Any]
) -> None:
    page = counted(lambda request, call: f"{call} {use(request)}")
    async with serve_cached(plugin, page, sessions=config()) as site:
        ada = site.browser()
        await ada.do("/log-in/ada")
        await ada.get("/page")
        assert [text[0] for text in await texts(site, {}, {})] == ["2", "3"]


async def test_what_changed_a_session_is_not_stored(plugin: SQLStoresPlugin) -> None:
    def change(request: AnyRequest, call: int) -> int:
        if "x-how" in request.headers:
            {"set": lambda: request.set_session({"a": 1}), "clear": request.clear_session}[request.headers["x-how"]]()
        return call

    async with serve_cached(plugin, counted(change), sessions=SQLSessionConfig()) as site:
        assert await texts(site, {"x-how": "set"}, {"x-how": "clear"}, {}, {}, {"x-how": "set"}) == list("12333")


async def test_a_session_that_is_used_around_the_handler_counts(plugin: SQLStoresPlugin) -> None:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        connection.session.get("user")

    async def dependency(request: AnyRequest) -> None:
        request.session.get("user")

    async def before(request: AnyRequest) -> None:
        request.session.get("user")

    @get("/page", cache=100, dependencies={"needed": Provide(dependency)})
    async def depending(needed: NamedDependency[None]) -> int:
        return next(calls)

    calls = itertools.count(1)
    for page in (counted(guards=[guard]), counted(before_request=before), depending):
        async with serve_cached(plugin, page, sessions=SQLSessionConfig()) as site:
            assert await texts(site, {}, {}) == ["1", "2"]


async def test_a_stream_that_reads_the_session_is_not_stored(plugin: SQLStoresPlugin) -> None:
    def stream(request: AnyRequest, call: int) -> Stream:
        async def parts() -> AsyncIterator[str]:
            yield str(call)
            yield str(request.session.get("user"))

        return Stream(parts)

    async with serve_cached(plugin, counted(stream), sessions=SQLSessionConfig()) as site:
        assert await texts(site, {}, {}) == ["1None", "2None"]


class ByHeader(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        return AuthenticationResult(user=connection.headers.get("x-user"), auth="key")


@pytest.mark.parametrize("attribute", ["user", "auth"])
async def test_what_was_made_for_a_user_is_not_stored(plugin: SQLStoresPlugin, attribute: str) -> None:
    page = counted(lambda request, call: f"{call} {getattr(request, attribute)}")
    public = get("/public", cache=100)(_public)
    async with serve_cached(plugin, page, public, middleware=[ByHeader]) as site:
        found = await texts(site, {"x-user": "ada"}, {"x-user": "grace"}, {})
        assert [text[0] for text in found] == ["1", "2", "3"]
        # What did not ask is for everybody.
        assert len(set(await texts(site, {"x-user": "ada"}, {"x-user": "grace"}, {}, path="/public"))) == 1


_public_calls = itertools.count(1)


async def _public() -> int:
    return next(_public_calls)


async def test_a_request_with_authorization_goes_past_the_cache(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin, counted()) as site:
        secret = {"authorization": "Bearer 1"}
        assert await texts(site, secret, secret, {}, {}, secret) == ["1", "2", "3", "3", "4"]


async def test_a_route_may_say_that_its_pages_are_for_everybody(plugin: SQLStoresPlugin) -> None:
    page = counted(lambda request, call: f"{call} {bool(request.session)} {request.cookies.get('x')}", opt=DESPITE)
    async with serve_cached(plugin, page, sessions=SQLSessionConfig()) as site:
        assert await texts(site, {"authorization": "x"}, {}, {"authorization": "y"}) == ["1 False None"] * 3


@pytest.mark.parametrize(
    "headers",
    [
        {"cache-control": "private"},
        {"cache-control": "max-age=5,No-Store"},
        {"cache-control": 'public, private="set-cookie, x"'},
        {"cache-control": "no-cache"},
        {"set-cookie": "a=b"},
        {"vary": "*"},
        {"vary": "accept, *"},
        {"clear-site-data": '"cookies"'},
        {"content-length": "100"},
        {"content-encoding": "br"},
    ],
)
async def test_what_is_not_for_a_shared_cache_is_not_stored(plugin: SQLStoresPlugin, headers: dict[str, str]) -> None:
    page = counted(lambda _, call: Response(call, headers=headers, media_type=MediaType.JSON))
    async with serve_cached(plugin, page) as site:
        plain = {"accept-encoding": "identity"}
        for call in (1, 2):
            async with site.browser().stream("GET", "/page", headers=plain) as response:
                assert [part async for part in response.aiter_raw()] == [b"%d" % call]


@pytest.mark.parametrize("value", ["public, max-age=5", 'ext="no-storey"', "must-revalidate", "s-maxage=9"])
async def test_what_may_be_stored_is(plugin: SQLStoresPlugin, value: str) -> None:
    page = counted(lambda _, call: Response(call, headers={"cache-control": value}))
    async with serve_cached(plugin, page) as site:
        assert await texts(site, {}, {}) == ["1", "1"]


async def test_a_client_may_have_nothing_stored(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin, counted()) as site:
        assert await texts(site, {"cache-control": "no-store"}, {}, {}, {"cache-control": "no-store"}) == list("1222")


async def test_a_cookie_of_the_handler_is_not_replayed(plugin: SQLStoresPlugin) -> None:
    page = counted(lambda _, call: Response(call, cookies=[Cookie("basket", value=f"of-{call}")]))
    async with serve_cached(plugin, page) as site:
        for call in (1, 2):
            response = await site.browser().get("/page")
            assert (response.text, set_cookies(response)["basket"].value) == (str(call), f"of-{call}")


async def test_each_visitor_gets_a_csrf_token_of_their_own(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin, counted(), csrf_config=CSRFConfig("secret")) as site:
        responses = [await site.browser().get("/page") for _ in range(3)]
        assert [response.text for response in responses] == ["1", "1", "1"]
        tokens = [set_cookies(response)["csrftoken"].value for response in responses]
        assert len(set(tokens)) == 3
        assert all(len(response.headers.get_list("set-cookie")) == 1 for response in responses)
        stored = repr(await site.rows())
        assert not any(token in stored for token in tokens)


@pytest.mark.parametrize("compression", [None, CompressionConfig("gzip", minimum_size=1), "brotli"])
async def test_a_page_with_a_csrf_token_in_it_is_not_stored(plugin: SQLStoresPlugin, compression: Any) -> None:
    from litestar.template.base import csrf_token

    if compression == "brotli":
        pytest.importorskip("brotli")
        compression = CompressionConfig("brotli", minimum_size=1)
    form = counted(lambda request, call: f"{call} {csrf_token({'request': request})} {'x' * 1000}")
    options: Any = {"csrf_config": CSRFConfig("secret"), "compression_config": compression}
    async with serve_cached(plugin, form, **options) as site:
        assert [text[0] for text in await texts(site, {}, {}, {})] == ["1", "2", "3"]


async def test_a_template_without_the_token_is_stored(plugin: SQLStoresPlugin) -> None:
    """Litestar gives the token to every template; here the template is what does not use it."""
    from litestar.template.base import csrf_token

    page = counted(lambda request, call: (csrf_token({"request": request}), call)[1])
    options: Any = {
        "csrf_config": CSRFConfig("secret"),
        "compression_config": CompressionConfig("gzip", minimum_size=1),
    }
    async with serve_cached(plugin, page, **options) as site:
        assert await texts(site, {}, {}) == ["1", "1"]


async def test_what_a_cookie_changes_is_not_for_other_cookies(plugin: SQLStoresPlugin) -> None:
    page = counted(lambda request, call: f"{call} {request.cookies.get('theme')}")
    async with serve_cached(plugin, page) as site:
        dark, light = {"cookie": "theme=dark"}, {"cookie": "theme=light"}
        assert await texts(site, dark, light, {}, dark, light, {}) == ["1 dark", "2 light", "3 None"] * 2
        assert "theme=dark" not in repr(await site.rows("key_text"))


async def test_csrf_protection_alone_does_not_tell_cookies_apart(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin, counted(), csrf_config=CSRFConfig("secret")) as site:
        assert await texts(site, {"cookie": "a=1"}, {"cookie": "a=2"}, {}) == ["1", "1", "1"]


# -- messages


class Marking:
    """Adds a header to the list of a message that passes by, as many middlewares do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message).add(
                    "x-visitor", dict(scope["headers"])[b"x-visitor"].decode()
                )
            await send(message)

        await self.app(scope, receive, mark)


@pytest.mark.parametrize("layer", ["application", "handler"])
async def test_what_middleware_adds_is_not_cached(plugin: SQLStoresPlugin, layer: str) -> None:
    page = counted(middleware=[Marking] if layer == "handler" else [])
    async with serve_cached(plugin, page, middleware=[Marking] if layer == "application" else []) as site:
        for visitor in ("ada", "grace", "alan"):
            response = await site.browser().get("/page", headers={"x-visitor": visitor})
            assert (response.text, response.headers.get_list("x-visitor")) == ("1", [visitor])


SHARED = [(b"content-type", b"text/plain")]


class Raw:
    """A response of ASGI messages."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self.messages:
            if message["type"] == "raise":
                raise RuntimeError
            await send(message)  # type: ignore[arg-type]


def start(status: int = 200, headers: Any = SHARED, **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(part: bytes, more_body: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": part, "more_body": more_body}


async def test_headers_that_responses_share_stay_as_they_are(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin, raw(start(), body(b"a")), middleware=[Marking]) as site:
        await texts(site, {"x-visitor": "ada"}, {"x-visitor": "grace"})
        assert SHARED == [(b"content-type", b"text/plain")]


RESPONSES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "whole": ([start(), body(b"a")], True),
    "in parts": ([start(), body(b"a", True), body(b"b", True), body(b"")], True),
    "right length": ([start(headers=[(b"content-length", b"2")]), body(b"a", True), body(b"b")], True),
    "no headers": ([{"type": "http.response.start", "status": 200}, body(b"a")], True),
    "ends early": ([start(), body(b"a", True)], False),
    "fails": ([start(), body(b"a", True), {"type": "raise"}], False),
    "begins twice": ([start(), start(), body(b"a")], False),
    "begins again": ([start(), body(b"a", True), start(), body(b"b")], False),
    "too short": ([start(headers=[(b"content-length", b"3")]), body(b"a")], False),
    "two lengths": ([start(headers=[(b"content-length", b"1"), (b"content-length", b"2")]), body(b"a")], False),
    "too large": ([start(), body(b"a" * 3000, True), body(b"a" * 3000)], False),
    "part": ([start(206, [(b"content-range", b"bytes 0-1/9")]), body(b"a")], False),
    "unchanged": ([start(304), body(b"")], False),
    "with trailers": ([start(trailers=True), body(b"a")], False),
    "file for the server": ([start(), {"type": "http.response.pathsend", "path": "/x"}], False),
    "error": ([start(500), body(b"a")], False),
    "moved": ([start(301, [(b"location", b"/")]), body(b"")], True),
    "found": ([start(302, [(b"location", b"/")]), body(b"")], False),
}


@pytest.mark.parametrize("messages, stored", RESPONSES.values(), ids=RESPONSES)
async def test_only_whole_responses_are_stored(
    database: Database, data_format: str, messages: list[dict[str, Any]], stored: bool
) -> None:
    plugin = new_plugin(database, data_format, max_value_bytes=5000)
    page = raw(*messages)
    async with serve_cached(plugin, page) as site:
        site.app.after_exception.clear()
        sent: list[Any] = []
        for _ in range(2):
            sent.clear()
            await ask(site, sent)
        assert page.opt["calls"] == (1 if stored else 2)
        if stored:
            assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
            assert sent[0]["status"] == messages[0]["status"]
            assert sent[1]["body"] == b"".join(message["body"] for message in messages[1:])
            assert [tuple(header) for header in sent[0]["headers"]] == messages[0].get("headers", [])


async def ask(site: Site, sent: list[Any], path: str = "/page", headers: Any = (), method: str = "GET") -> None:
    """Ask as a server does, which does not mind what it gets."""
    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"host", b"test.local"), *headers],
        "client": ("test", 1),
        "server": ("test", 80),
    }

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append({**message, "headers": list(message.get("headers", ()))})

    try:
        await site.app(scope, receive, send)
    except Exception:  # noqa: BLE001 - as a server does
        return


async def test_a_response_that_its_client_did_not_wait_for_is_not_stored(plugin: SQLStoresPlugin) -> None:
    gone, calls = asyncio.Event(), itertools.count(1)

    @get("/page", cache=100)
    async def page() -> Stream:
        call = next(calls)

        async def parts() -> AsyncIterator[str]:
            yield str(call)
            if call == 1:
                gone.set()
                await asyncio.sleep(30)
            yield "!"

        return Stream(parts)

    async with serve_cached(plugin, page) as site:
        request = asyncio.create_task(ask(site, []))
        await gone.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        assert await texts(site, {}, {}) == ["2!", "2!"]


# -- who gets a page


async def test_path_and_query_are_told_apart(plugin: SQLStoresPlugin) -> None:
    @get("/p/{name:str}", cache=100)
    async def page(request: AnyRequest, name: FromPath[str]) -> str:
        return f"{name} {request.url.query}"

    async with serve_cached(plugin, page) as site:
        for _ in range(2):
            assert await texts(site, {}, path="/p/ab=1") == ["ab=1 "]
            assert await texts(site, {}, path="/p/a?b=1") == ["a b=1"]
            assert await texts(site, {}, path="/p/a%3Fb=1") == ["a?b=1 "]
            assert await texts(site, {}, path="/p/a%0Ab?c=%0A") == ["a\nb c=%0A"]


async def test_the_order_of_parameters_with_different_names_does_not_matter(plugin: SQLStoresPlugin) -> None:
    page = counted(lambda request, call: f"{call} {request.query_params.getall('a', [])}")
    async with serve_cached(plugin, page) as site:
        assert await texts(site, {}, path="/page?b=3&a=1&a=2") == ["1 ['1', '2']"]
        assert await texts(site, {}, path="/page?a=1&a=2&b=3") == ["1 ['1', '2']"]
        assert await texts(site, {}, path="/page?a=2&a=1&b=3") == ["2 ['2', '1']"]


async def test_hosts_are_told_apart(plugin: SQLStoresPlugin) -> None:
    page = counted(lambda request, _: str(request.base_url))
    async with serve_cached(plugin, page, allowed_hosts=AllowedHostsConfig(["*.test"])) as site:
        for _ in range(2):
            found = await texts(site, {"host": "a.test"}, {"host": "b.test"}, {"host": "evil.example"})
            assert found[:2] == ["http://a.test/", "http://b.test/"]
            assert "evil" not in found[2]


async def test_a_link_to_the_application_is_not_personal(plugin: SQLStoresPlugin) -> None:
    """Litestar copies the scope to make one."""
    page = counted(lambda request, call: f"{call} {request.url_for('page')}", name="page")
    async with serve_cached(plugin, page, sessions=SQLSessionConfig()) as site:
        assert await texts(site, {}, {}) == ["1 http://test.local/page"] * 2


async def test_methods_are_told_apart(plugin: SQLStoresPlugin) -> None:
    calls = itertools.count(1)

    @route("/page", http_method=["GET", "HEAD", "POST", "DELETE"], cache=100, status_code=200)
    async def page() -> int:
        return next(calls)

    async with serve_cached(plugin, page) as site:
        browser = site.browser()
        assert [(await browser.head("/page")).headers["content-length"] for _ in range(2)] == ["1", "1"]
        assert [(await browser.get("/page")).text for _ in range(2)] == ["2", "2"]
        # The body of a request is in no key.
        assert [(await browser.post("/page")).text for _ in range(2)] == ["3", "4"]
        assert [(await browser.delete("/page")).text for _ in range(2)] == ["5", "6"]
        assert [(await browser.options("/page")).status_code for _ in range(2)] == [204, 204]
        assert len(await site.rows()) == 2


async def test_each_value_of_what_vary_names_has_a_page(plugin: SQLStoresPlugin) -> None:
    def localized(request: AnyRequest, call: int) -> Response[str]:
        return Response(f"{call} {request.headers.get('accept-language')}", headers={"vary": "Accept-Language, X-B"})

    async with serve_cached(plugin, counted(localized)) as site:
        de, en = {"accept-language": "de"}, {"accept-language": "en"}
        both = {**de, "x-b": "1"}
        for _ in range(2):
            assert await texts(site, de, en, {}, both) == ["1 de", "2 en", "3 None", "4 de"]


async def test_what_pages_depend_on_adds_up(plugin: SQLStoresPlugin) -> None:
    def page(request: AnyRequest, call: int) -> Response[str]:
        a = request.headers.get("x-a")
        # What matters beside it depends on it.
        return Response(f"{call} {a} {request.headers.get('x-b')}", headers={"vary": "x-a, x-b" if a else "x-a"})

    async with serve_cached(plugin, counted(page)) as site:
        one, other = {"x-a": "1", "x-b": "1"}, {"x-a": "1", "x-b": "2"}
        assert await texts(site, {}, one, other) == ["1 None None", "2 1 1", "3 1 2"]
        assert await texts(site, one, other, one) == ["2 1 1", "3 1 2", "2 1 1"]


@pytest.mark.parametrize("size", [10, 5000])
async def test_compressed_pages_are_for_who_accepts_them(plugin: SQLStoresPlugin, size: int) -> None:
    page = counted(lambda _, call: f"{call}" * size)
    accepting = [
        "gzip",
        "gzip;q=0",
        "identity",
        "",
        "br;q=1.0, gzip;q=0.5",
        "x-gzip",
        "*",
        "*;q=0",
        "xgzipx",
        "deflate",
    ]
    options: Any = {"compression_config": CompressionConfig("gzip", minimum_size=500)}
    async with serve_cached(plugin, page, **options) as site:
        for _ in range(2):
            for value in accepting:
                sent: list[Any] = []
                await ask(site, sent, headers=[(b"accept-encoding", value.encode())])
                headers, data = dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])
                if headers.get(b"content-encoding") == b"gzip":
                    # Litestar compresses for whoever names the encoding, be it to refuse it; that is not stored.
                    assert "gzip" in value or value == "*"
                    data = zlib.decompress(data, wbits=31)
                assert len(data) == size
        stored = [row["data"] for row in await site.rows("data")]
        assert sum(b"content-encoding" in bytes(data) for data in stored) == (2 if size > 500 else 0)


async def test_a_handler_that_compresses_by_itself_may_forget_vary(plugin: SQLStoresPlugin) -> None:
    def page(request: AnyRequest, call: int) -> Response[bytes]:
        if "gzip" in request.headers.get("accept-encoding", ""):
            data = zlib.compress(b"%d" % call, wbits=31)
            return Response(data, headers={"content-encoding": "gzip"}, media_type="text/plain")
        return Response(b"%d" % call, media_type="text/plain")

    async with serve_cached(plugin, counted(page)) as site:
        gzip, plain = {"accept-encoding": "gzip"}, {"accept-encoding": "identity"}
        assert await texts(site, gzip, plain, gzip, plain) == ["1", "2", "1", "2"]


# -- what applications set


async def test_key_builders_of_routes_and_applications_count(plugin: SQLStoresPlugin) -> None:
    def of_route(request: AnyRequest) -> str:
        return "one"

    def of_application(request: AnyRequest) -> str:
        return request.headers.get("x-tenant", "none")

    mine = counted(cache_key_builder=of_route)
    other = get("/other", cache=100)(_public)
    config = ResponseCacheConfig(key_builder=of_application)
    async with serve_cached(plugin, mine, other, response_cache_config=config) as site:
        assert await texts(site, {"host": "a.test"}, {"host": "b.test"}, {"x-tenant": "1"}) == ["1", "1", "1"]
        first, second, again = await texts(site, {"x-tenant": "1"}, {"x-tenant": "2"}, {"x-tenant": "1"}, path="/other")
        assert first == again != second


async def test_a_key_builder_that_fails_is_an_error_as_ever(plugin: SQLStoresPlugin) -> None:
    def build(request: AnyRequest) -> str:
        raise PermissionDeniedException

    async with serve_cached(plugin, counted(cache_key_builder=build)) as site:
        assert (await site.browser().get("/page")).status_code == 403


async def test_how_long_pages_are_kept(plugin: SQLStoresPlugin) -> None:
    config = ResponseCacheConfig(default_expiration=50)
    for cache, seconds in ((True, 50), (700, 700), (CACHE_FOREVER, -1)):
        async with serve_cached(plugin, counted(cache=cache), response_cache_config=config) as site:
            assert await texts(site, {}, {}) == ["1", "1"]
            store: Any = site.store("response_cache")
            key = "GET/page?\nhttp://test.local\n5.0"
            assert await store.expires_in(key) == (about(seconds) if seconds > 0 else seconds)
            await store.delete_all()


async def test_a_page_expires(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin, counted()) as site:
        assert await texts(site, {}, {}) == ["1", "1"]
        await site.store("response_cache").renew("GET/page?\nhttp://test.local\n5.0", 0.001)
        await asyncio.sleep(0.01)
        assert await texts(site, {}, {}) == ["2", "2"]


async def test_the_filter_of_the_application_counts(plugin: SQLStoresPlugin) -> None:
    def only_errors(scope: Any, status: int) -> bool:
        return status == 404

    def page(request: AnyRequest, call: int) -> Response[int]:
        return Response(call, status_code=int(request.headers["x-status"]))

    config = ResponseCacheConfig(cache_response_filter=only_errors)
    async with serve_cached(plugin, counted(page), response_cache_config=config) as site:
        assert await texts(site, {"x-status": "200"}, {"x-status": "404"}, {"x-status": "200"}) == ["1", "2", "2"]


async def test_guards_and_hooks_run_for_pages_from_the_cache(plugin: SQLStoresPlugin) -> None:
    hooks: list[str] = []

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        hooks.append("guard")
        if "x-key" not in connection.headers:
            raise PermissionDeniedException

    async def after(_: AnyRequest) -> None:
        hooks.append("after_response")

    async def before_send(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            hooks.append("before_send")

    page = counted(guards=[guard], after_response=after)
    async with serve_cached(plugin, page, before_send=[before_send]) as site:
        assert await texts(site, {"x-key": "1"}, {"x-key": "1"}) == ["1", "1"]
        assert hooks == ["guard", "before_send", "after_response"] * 2
        assert (await site.browser().get("/page")).status_code == 403


async def test_the_store_of_the_config_is_the_store_still(plugin: SQLStoresPlugin) -> None:
    page = counted()
    async with serve_cached(plugin, page, response_cache_config=ResponseCacheConfig(store="pages")) as site:
        assert await texts(site, {}, {}) == ["1", "1"]
        store: Any = site.app.response_cache_config.get_store_from_app(site.app)
        await store.set("mine", b"value")
        assert await store.get("mine") == b"value"
        assert await store.get("other") is None
        assert await site.store("pages").get("mine") == b"value"
        await store.delete_all()
        assert await texts(site, {}) == ["2"]


async def test_a_handler_may_use_the_store_of_the_cache(plugin: SQLStoresPlugin) -> None:
    @get("/page", cache=100)
    async def page(request: AnyRequest) -> str:
        store = request.app.response_cache_config.get_store_from_app(request.app)
        await store.set("mine", b"value")
        return str(await store.get("mine"))

    async with serve_cached(plugin, page) as site:
        assert await texts(site, {}, {}) == ["b'value'"] * 2


async def test_a_foreign_store_has_litestars_own_cache(plugin: SQLStoresPlugin) -> None:
    memory = MemoryStore()
    async with serve_cached(plugin, counted(), stores={"response_cache": memory}) as site:
        assert await texts(site, {}, {}) == ["1", "1"]
        assert await memory.exists("GET/page")
        assert await site.rows() == []


async def test_routes_that_are_added_later_are_cached(plugin: SQLStoresPlugin) -> None:
    async with serve_cached(plugin) as site:
        site.app.register(counted(lambda _, call: Response(call, cookies={"a": str(call)})))
        assert await texts(site, {}, {}) == ["1", "2"]


async def test_state_and_scope_are_the_ones_of_middleware(plugin: SQLStoresPlugin) -> None:
    seen: list[Any] = []

    class Around:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"]["before"] = 1
            await self.app(scope, receive, send)
            seen.append((scope["state"].get("after"), scope.get("mine")))

    def page(request: AnyRequest, call: int) -> int:
        request.state.after = request.state.before + 1
        request.scope["mine"] = "x"  # type: ignore[typeddict-unknown-key]
        return call

    async with serve_cached(plugin, counted(page), middleware=[Around]) as site:
        assert await texts(site, {}, {}) == ["1", "1"]
        assert seen == [(2, "x"), (None, None)]
