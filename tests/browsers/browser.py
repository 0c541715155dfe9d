"""A browser: how it asks, and the cookies that it keeps."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.browsers.application import CSRF_COOKIE, CSRF_HEADER, OWN_PARTS
from tests.browsers.exchanges import Answer, Exchange
from tests.browsers.jar import CookieJar
from tests.browsers.line import REQUEST_HEADER
from tests.browsers.mounts import FOREIGN_HEADER
from tests.browsers.programs import HOLD, PROGRAM_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browsers.exchanges import Order
    from tests.browsers.jar import Cookie

__all__ = ("Browser",)


class Browser:
    """A browser.

    Args:
        name: Its name, which nobody else has.
        port: Where the site is.
        transport: The connections to it; shared, as those of a proxy are.
        connect: Makes connections of its own, for requests that are held: on a shared one, a client that waits for the
            answer to one request may keep the others from reading theirs.
        crumbs: Whether it sends each of our cookies in a field of its own, as HTTP/2 allows. Litestar's own middlewares
            read the first field only.
    """

    def __init__(
        self,
        name: str,
        port: int,
        transport: httpx.AsyncBaseTransport,
        connect: Callable[[], httpx.AsyncBaseTransport],
        *,
        crumbs: bool,
    ) -> None:
        self.name = name
        self.jar = CookieJar()
        self._port = port
        self._transport = transport
        self._connect = connect
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
        if HOLD not in order.program.before:
            return await _answer(self._transport, request)
        async with self._connect() as transport:
            return await _answer(transport, request)

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


async def _answer(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> Answer:
    response = await transport.handle_async_request(request)
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


def _page(text: str) -> dict[str, Any] | None:
    """The page that a text is, or that the first of its events is."""
    if text.startswith("data: "):
        text = text.removeprefix("data: ").partition("\r\n")[0]
    with contextlib.suppress(ValueError):
        page = json.loads(text)
        return page if isinstance(page, dict) and "request" in page else None
    return None
