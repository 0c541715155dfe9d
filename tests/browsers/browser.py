"""A browser: what it sends, what it is answered, and the cookies that it keeps."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.browsers.application import CSRF_COOKIE, CSRF_HEADER, OWN_PARTS
from tests.browsers.jar import Cookie, CookieJar, parse_set_cookie
from tests.browsers.line import REQUEST_HEADER
from tests.browsers.mounts import FOREIGN_HEADER
from tests.browsers.programs import PROGRAM_HEADER, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.browsers.line import Report

__all__ = ("HOSTS", "Answer", "Browser", "Exchange", "Order")

HOSTS = ("shop.test", "mirror.shop.test")


@dataclass(frozen=True)
class Order:
    """What a browser is to ask for.

    Attributes:
        part: The part of the site.
        page: Its path below that.
        program: What is to happen to the session.
        query: What follows the path.
        host: Which name of the site.
        method: The HTTP method.
        language: Which language it asks for.
        gzip: Whether it takes compressed pages.
        origin: Which other site's script asks; empty for none.
        authorization: Whether it says who it is by itself.
        foreign: What a mounted application does to its own session.
        old_cookies: Whether it sends the session cookie that it had before the last one.
    """

    part: str
    page: str
    program: Program = field(default_factory=Program)
    query: str = ""
    host: str = HOSTS[0]
    method: str = "GET"
    language: str = "en"
    gzip: bool = True
    origin: str = ""
    authorization: bool = False
    foreign: str = ""
    old_cookies: bool = False

    @property
    def path(self) -> str:
        return f"/{self.part}/{self.page}"

    def __str__(self) -> str:
        """What is not as usual."""
        usual = {each.name: each.default for each in fields(self)}
        unusual = {name: value for name, value in vars(self).items() if value != usual[name] and name != "program"}
        unusual.pop("part"), unusual.pop("page")
        return f"{self.path} {self.program.encode()} {unusual or ''}"

    @property
    def is_copied(self) -> bool:
        """Whether it goes to a mounted application that gets a copy of the scope, which its changes may stay in."""
        return self.page.startswith("litestar-true")

    @property
    def is_socket(self) -> bool:
        return self.page == "socket"


@dataclass
class Answer:
    """What came back.

    Attributes:
        status: The status; 101 for a websocket that was accepted.
        headers: The header fields.
        raw: The whole of it, as text, to be searched.
        page: The page, if it is one.
        broken: Why it could not be read to its end.
    """

    status: int
    headers: list[tuple[str, str]]
    raw: str
    page: dict[str, Any] | None = None
    broken: str = ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def listed(self, name: str) -> set[str]:
        """The elements of a header that is a list, in lower case."""
        return {element.strip().lower() for value in self.all(name) for element in value.split(",")}


@dataclass
class Exchange:
    """A request and its answer."""

    id: str
    browser: Browser
    order: Order
    sent: Sequence[Cookie]
    answer: Answer | None = None
    report: Report | None = None

    @property
    def cookies(self) -> list[Cookie]:
        """The cookies that came with the answer."""
        assert self.answer is not None
        headers, order = self.answer.all("set-cookie"), self.order
        return [parse_set_cookie(header, order.host, order.path, time.time()) for header in headers]

    def __repr__(self) -> str:
        sent = "; ".join(f"{cookie.name}={cookie.value[:12]} ({cookie.path})" for cookie in self.sent)
        got = self.answer and {"status": self.answer.status, "headers": self.answer.headers, "page": self.answer.page}
        return f"{self.id} [{self.order!s}; {sent}] got {got}, {self.report}"


class Browser:
    """A browser.

    Args:
        name: Its name, which nobody else has.
        port: Where the site is.
        transport: The connections to it; shared, as those of a proxy are.
        crumbs: Whether it sends each of our cookies in a field of its own, as HTTP/2 allows. Litestar's own middlewares
            read the first field only.
    """

    def __init__(self, name: str, port: int, transport: httpx.AsyncBaseTransport, *, crumbs: bool) -> None:
        self.name = name
        self.jar = CookieJar()
        self._port = port
        self._transport = transport
        self._crumbs = crumbs
        self._count = 0
        self._former: dict[str, Cookie] = {}

    def begin(self, order: Order) -> Exchange:
        """Decide what to send."""
        self._count += 1
        cookies = self.jar.cookies_for(order.host, order.path, time.time())
        if order.old_cookies:
            cookies = [self._former.get(cookie.name, cookie) for cookie in cookies]
        return Exchange(f"{self.name}-{self._count}", self, order, cookies)

    async def send(self, exchange: Exchange) -> None:
        """Send it, and take the answer and its cookies."""
        fetch = self._socket if exchange.order.is_socket else self._http
        exchange.answer = await fetch(exchange)
        self.take_cookies(exchange)

    def take_cookies(self, exchange: Exchange) -> None:
        assert exchange.answer is not None
        order = exchange.order
        for cookie in exchange.cookies:
            old = self.cookie(cookie.name, order)
            if old is not None and old.value != cookie.value:
                self._former[cookie.name] = old
            self.jar.put(cookie, time.time())

    def cookie(self, name: str, order: Order) -> Cookie | None:
        """The first cookie of a name that goes with a request."""
        cookies = self.jar.cookies_for(order.host, order.path, time.time())
        return next((cookie for cookie in cookies if cookie.name == name), None)

    def former(self, name: str) -> Cookie | None:
        """The cookie that a session had before it got another id."""
        return self._former.get(name)

    def _headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        order = exchange.order
        crumbs = self._crumbs and order.part in OWN_PARTS
        apart = [cookie for cookie in exchange.sent if crumbs and cookie.name in OWN_PARTS]
        together = [cookie for cookie in exchange.sent if cookie not in apart]
        fields_of_cookies = [*([together] if together else []), *([cookie] for cookie in apart)]
        pairs = ["; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies) for cookies in fields_of_cookies]
        token = next((cookie.value for cookie in exchange.sent if cookie.name == CSRF_COOKIE), "none")
        optional = {
            "origin": order.origin,
            "authorization": "Basic YnJvd3Nlcjp0ZXN0" if order.authorization else "",
            FOREIGN_HEADER: order.foreign,
            CSRF_HEADER: token if order.method == "POST" else "",
        }
        return [
            (REQUEST_HEADER, exchange.id),
            (PROGRAM_HEADER, order.program.encode()),
            ("x-browser", self.name),
            ("x-url", f"{order.path}?{order.query}"),
            ("accept-language", order.language),
            *((name, value) for name, value in optional.items() if value),
            *(("cookie", pair) for pair in pairs),
        ]

    async def _http(self, exchange: Exchange) -> Answer:
        order = exchange.order
        request = httpx.Request(
            order.method,
            httpx.URL(f"http://127.0.0.1:{self._port}{order.path}", query=order.query.encode()),
            headers=[
                ("host", order.host),
                ("accept-encoding", "gzip" if order.gzip else "identity"),
                *self._headers(exchange),
            ],
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 30.0)},
        )
        response = await self._transport.handle_async_request(request)
        headers = response.headers.multi_items()
        broken, body = "", ""
        try:
            await response.aread()
            body = response.text
        except (httpx.HTTPError, httpx.StreamError) as error:
            broken = f"{type(error).__name__}: {error}"
        finally:
            await response.aclose()
        raw = "\n".join([*(f"{name}: {value}" for name, value in headers), body])
        return Answer(response.status_code, headers, raw, _page(body), broken)

    async def _socket(self, exchange: Exchange) -> Answer:
        uri = f"ws://{exchange.order.host}:{self._port}{exchange.order.path}"
        headers = self._headers(exchange)
        try:
            async with connect(
                uri, host="127.0.0.1", port=self._port, additional_headers=headers, proxy=None, open_timeout=30
            ) as socket:
                assert socket.response is not None
                answer = Answer(101, list(socket.response.headers.raw_items()), "")
                text = ""
                with contextlib.suppress(Exception):
                    text = str(await socket.recv())
        except InvalidStatus as refused:
            response = refused.response
            answer = Answer(response.status_code, list(response.headers.raw_items()), "")
            text = (response.body or b"").decode(errors="replace")
        answer.page = _page(text)
        answer.raw = "\n".join([*(f"{name}: {value}" for name, value in answer.headers), text])
        return answer


def _page(text: str) -> dict[str, Any] | None:
    """The page that a text is, or that the first of its events is."""
    if text.startswith("data: "):
        text = text.removeprefix("data: ").partition("\r\n")[0]
    with contextlib.suppress(ValueError):
        page = json.loads(text)
        return page if isinstance(page, dict) and "request" in page else None
    return None
