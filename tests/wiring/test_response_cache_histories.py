"""Random visitors ask for pages of every kind, over a cache that fails at times: each gets what was made for them."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from litestar import Request, Response, get, post
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromPath
from litestar.response import Stream

from litestar_sqlstores import SQLSessionConfig
from litestar_sqlstores.errors import UnavailableError
from litestar_sqlstores.store import BaseSQLSpecStore, availability
from tests.backends import rows
from tests.wiring.helpers import new_plugin, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from tests.backends import Database
    from tests.wiring.helpers import Site

pytestmark = [
    pytest.mark.sampled,
    pytest.mark.needs("processes"),
    pytest.mark.formats("bytes"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

AnyRequest = Request[Any, Any, Any]

PUBLIC = "lxchqzb"
PERSONAL = "suawpkgv"
"""What a page depends on or does, a letter each; :func:`made` and :func:`answer` say what."""

VISITORS = ["ada", "grace", "alan"]
ENCODINGS = [None, "gzip", "identity", "gzip;q=0", "br, gzip;q=0.5", "*", "gzipped"]


@dataclass(frozen=True)
class Ask:
    """A request."""

    page: str
    visitor: str
    host: str = "a.test"
    query: str = ""
    language: str | None = None
    a: str | None = None
    theme: str | None = None
    authorization: str | None = None
    user: str | None = None
    encoding: str | None = None
    logged_in: bool = False
    fault: str | None = None
    """What fails: the cache's reading ("get") or writing ("set"), or the handler ("cut")."""


kinds = st.sampled_from(["0", *PUBLIC, *PERSONAL]) | st.sets(st.sampled_from(PUBLIC + PERSONAL), min_size=2, max_size=3)


def asks_for(pages: list[Any]) -> st.SearchStrategy[list[Ask]]:
    """Histories over few pages, so that visitors meet."""
    ask = st.builds(
        Ask,
        page=st.sampled_from(["".join(sorted(page)) for page in pages]),
        visitor=st.sampled_from(VISITORS),
        host=st.sampled_from(["a.test", "b.test"]),
        query=st.sampled_from(["", "q=1"]),
        language=st.sampled_from([None, "de", "en"]),
        a=st.sampled_from([None, "1"]),
        theme=st.sampled_from([None, "dark"]),
        authorization=st.sampled_from([None, None, None, "Bearer 1"]),
        user=st.sampled_from([None, "root"]),
        encoding=st.sampled_from(ENCODINGS),
        logged_in=st.booleans(),
        fault=st.sampled_from([None, None, None, None, None, "get", "set", "cut"]),
    )
    return st.lists(ask, min_size=8, max_size=25)


histories = st.lists(kinds, min_size=1, max_size=2).flatmap(asks_for)


def made(ask: Ask) -> dict[str, Any]:
    """What must be on the page."""
    values = {
        "l": ask.language,
        "x": ask.a,
        "c": ask.theme,
        "h": ask.host,
        "q": ask.query,
        "s": ask.visitor if ask.logged_in else None,
        "u": ask.user,
        "a": ask.authorization,
        **dict.fromkeys("wpkgv", ask.visitor),
        "b": "b" * 2000,
    }
    return {"page": ask.page, **{letter: values[letter] for letter in ask.page if letter in values}}


def answer(request: AnyRequest, page: str) -> Response[Any]:
    """What the application answers."""
    visitor = request.headers["x-visitor"]
    headers: dict[str, str] = {}
    vary = [name for letter, name in (("l", "Accept-Language"), ("x", "X-A"), ("g", "*")) if letter in page]
    if vary:
        headers["vary"] = ", ".join(vary)
    if {"p", "v"} & set(page):
        headers["cache-control"] = "private" if "p" in page else "max-age=3, no-store"
    reads: dict[str, Any] = {
        "l": lambda: request.headers.get("accept-language"),
        "x": lambda: request.headers.get("x-a"),
        "c": lambda: request.cookies.get("theme"),
        "h": lambda: request.base_url.netloc,
        "q": lambda: request.url.query,
        "s": lambda: request.session.get("user"),
        "u": lambda: request.user,
        "a": lambda: request.headers.get("authorization"),
        **dict.fromkeys("wpkgv", lambda: visitor),
        "b": lambda: "b" * 2000,
    }
    content = {"page": page, **{letter: reads[letter]() for letter in page if letter in reads}}
    if "w" in page:
        request.session["seen"] = visitor
    cookies = [Cookie("mine", value=visitor)] if "k" in page else []
    if "z" in page or "x-cut" in request.headers:
        return Stream(parts(content, "x-cut" in request.headers), headers=headers, cookies=cookies)
    return Response(content, headers=headers, cookies=cookies)


async def parts(content: Any, cut: bool) -> AsyncIterator[bytes]:
    data = json.dumps(content).encode()
    yield data[:3]
    if cut:
        raise RuntimeError
    yield data[3:]


class ByHeader(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        return AuthenticationResult(user=connection.headers.get("x-user"), auth=None)


class Marking:
    """Adds to the headers of messages in place."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message).add("x-for", dict(scope["headers"])[b"x-visitor"].decode())
            await send(message)

        await self.app(scope, receive, mark)


@dataclass
class World:
    """An application, its visitors, and what must never get to the wrong one."""

    site: Site
    failing: set[str | None]
    calls: int = 0
    sessions: dict[str, str] = field(default_factory=dict)
    issued: dict[str, str] = field(default_factory=dict)
    """To whom each cookie of a session or token went."""

    async def log_in(self) -> None:
        for visitor in VISITORS:
            sent = await self.send("POST", "/log-in", visitor, [(b"authorization", visitor.encode())])
            cookies = self.take_cookies(sent, visitor)
            self.sessions[visitor] = cookies["session"].value

    async def send(self, method: str, path: str, visitor: str, headers: Any, query: str = "") -> list[Any]:
        if not any(name == b"host" for name, _ in headers):
            headers = [(b"host", b"a.test"), *headers]
        scope: Any = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "scheme": "http",
            "client": ("test", 1),
            "server": ("test", 80),
            "headers": [(b"x-visitor", visitor.encode()), *headers],
        }
        sent: list[Any] = []
        sent_all = asyncio.Event()

        async def receive() -> Any:
            await sent_all.wait()
            return {"type": "http.disconnect"}

        async def keep(message: Any) -> None:
            sent.append({**message, "headers": list(message.get("headers", ()))})
            if message["type"] == "http.response.body" and not message.get("more_body"):
                sent_all.set()

        try:
            await self.site.app(scope, receive, keep)
        except Exception:  # noqa: BLE001 - as a server does
            sent.append({"type": "failed"})
        return sent

    def take_cookies(self, sent: list[Any], visitor: str) -> SimpleCookie:
        cookies = SimpleCookie()
        for name, value in sent[0]["headers"]:
            if name.lower() == b"set-cookie":
                cookies.load(value.decode())
        for name in ("session", "csrftoken"):
            if name in cookies and cookies[name].value not in {"", "null"}:
                assert self.issued.setdefault(cookies[name].value, visitor) == visitor
        return cookies

    async def ask(self, ask: Ask) -> None:
        given = {
            b"host": ask.host,
            b"accept-language": ask.language,
            b"x-a": ask.a,
            b"authorization": ask.authorization,
            b"x-user": ask.user,
            b"accept-encoding": ask.encoding,
            b"x-cut": "1" if ask.fault == "cut" else None,
            b"cookie": "; ".join([*([f"theme={ask.theme}"] if ask.theme else []), *self.session_cookie(ask)]) or None,
        }
        headers = [(name, value.encode()) for name, value in given.items() if value is not None]
        self.failing.clear()
        self.failing.add(ask.fault)
        for again in (False, True):
            before = self.calls
            sent = await self.send("GET", f"/pages/{ask.page}", ask.visitor, headers, ask.query)
            if ask.fault == "cut" and self.calls > before:
                # It came from the handler, which failed half way: the server closes the connection.
                assert sent[-1]["type"] == "failed" or sent[0]["status"] == 500
                return
            self.check(ask, sent)
            if again and ask.fault is None and ask.authorization is None and not set(ask.page) & set(PERSONAL):
                # Litestar compresses for whoever names an encoding, be it to refuse it.
                refused = ask.encoding in {"gzip;q=0", "gzipped"} and ("b" in ask.page or "z" in ask.page)
                assert refused or self.calls == before

    def session_cookie(self, ask: Ask) -> list[str]:
        return [f"session={self.sessions[ask.visitor]}"] if ask.logged_in else []

    def check(self, ask: Ask, sent: list[Any]) -> None:
        assert [message["type"] for message in sent].count("http.response.start") == 1
        assert sent[0]["status"] == 200
        headers = [(bytes(name).lower(), bytes(value)) for name, value in sent[0]["headers"]]
        assert [value for name, value in headers if name == b"x-for"] == [ask.visitor.encode()]
        data = b"".join(message.get("body", b"") for message in sent[1:])
        if (b"content-encoding", b"gzip") in headers:
            assert "gzip" in (ask.encoding or "") or ask.encoding == "*"
            data = zlib.decompress(data, wbits=31)
        assert json.loads(data) == made(ask)
        cookies = self.take_cookies(sent, ask.visitor)
        assert ("mine" in cookies) == ("k" in ask.page)
        assert all(cookies[name].value == ask.visitor for name in cookies if name == "mine")


def pages(world: list[World]) -> list[Any]:
    @get("/pages/{page:str}", cache=100)
    async def show(request: AnyRequest, page: FromPath[str]) -> Response[Any]:
        world[0].calls += 1
        return answer(request, page)

    @post("/log-in", exclude_from_csrf=True)
    async def log_in(request: AnyRequest) -> None:
        request.set_session({"user": request.headers["x-visitor"]})

    return [show, log_in]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """What of "get" and "set" fails, of the cache."""
    now, failing = 0.0, set[str | None]()

    def clock() -> float:
        nonlocal now
        now += availability.PAUSE
        return now

    monkeypatch.setattr(availability, "clock", clock)
    for name in ("get", "set"):
        original = getattr(BaseSQLSpecStore, name)

        async def call(self: Any, *args: Any, _name: str = name, _original: Any = original, **options: Any) -> Any:
            if _name in failing and self.namespace.endswith("cache"):
                raise UnavailableError(_name)
            return await _original(self, *args, **options)

        monkeypatch.setattr(BaseSQLSpecStore, name, call)
    return failing


@pytest.mark.parametrize("config", [SQLSessionConfig, ServerSideSessionConfig])
@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=histories)
async def test_each_visitor_gets_what_was_made_for_them(
    database: Database,
    data_format: str,
    failing: set[str | None],
    config: type[ServerSideSessionConfig],
    steps: list[Ask],
) -> None:
    world: list[World] = []
    async with serve(
        new_plugin(database, data_format, keep_keys=["response_cache"]),
        pages(world),
        config(),
        middleware=[ByHeader, Marking],
        csrf_config=CSRFConfig("secret"),
        compression_config=CompressionConfig("gzip", minimum_size=500),
    ) as site:
        site.app.after_exception.clear()
        failing.clear()
        world.append(World(site, failing))
        await site.plugin.store.delete_all()
        await world[0].log_in()
        for step in steps:
            await world[0].ask(step)
        # All columns, of all rows.
        table = repr(await rows(site.plugin.store))
        assert not [secret for secret in world[0].issued if secret in table]
