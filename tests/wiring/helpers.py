"""An application under test in this process, its visitors, and what it does with the store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar, Request, WebSocket

from litestar_sqlstores import SQLStoresPlugin
from tests.backends import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from litestar.middleware.session.server_side import ServerSideSessionConfig
    from litestar.types import Scope

    from tests.backends import Database, Store

AnyRequest: TypeAlias = Request[Any, Any, Any]
AnyWebSocket: TypeAlias = WebSocket[Any, Any, Any]

MAX_AGE = 1000
STRANGE_COOKIES = [
    *(b"%00", b"a%00b", b"null", b"", b'""', b"k" * 1_000, b"k" * 9_000, b"0" * 9_000, b"\xff\xfe\x80", b"%"),
    *(b"%C3%A9", b"%ff%fe", b"%ED%A0%80", b"%F0%9F%98%80", b"%27%20OR%201=1--", b"../../etc/passwd", b"F" * 64),
    *(b"0" * 63, b"0" * 65, b"0" * 64 + b"%0A", b"a; session=b", "٠".encode() * 64),
]
CHOSEN_ID = "0123456789abcdef" * 4
"""What looks like the id of a session, but was never given out."""


class Site:
    """A running application.

    Attributes:
        errors: What handlers and middleware raised, other than HTTP errors.
    """

    def __init__(self, app: Litestar, plugin: SQLStoresPlugin) -> None:
        self.app = app
        self.plugin = plugin
        self.errors: list[Exception] = []
        app.after_exception.append(self._after_exception)

    async def _after_exception(self, error: Exception, scope: Scope) -> None:
        if not hasattr(error, "status_code"):
            self.errors.append(error)

    def store(self, name: str = "sessions") -> Store:
        store: Any = self.app.stores.get(name)
        return store  # type: ignore[no-any-return]

    def browser(self, session_id: str | None = None) -> Browser:
        return Browser(self.app, session_id)

    async def rows(self, columns: str = "*") -> list[dict[str, Any]]:
        return await rows(self.plugin.store, columns)


class Browser(AsyncClient):
    """Sends JSON and keeps cookies."""

    def __init__(self, app: Litestar, session_id: str | None = None) -> None:
        super().__init__(
            transport=ASGITransport(app, raise_app_exceptions=False),  # type: ignore[arg-type]
            base_url="http://test.local",
        )
        self.app = app
        if session_id:
            self.cookies.set("session", session_id, domain="test.local")

    @property
    def session_id(self) -> str | None:
        return self.cookies.get("session")

    async def read(self, path: str = "/") -> Any:
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def do(self, path: str, **data: Any) -> Any:
        response = await self.post(path, json=data)
        assert response.status_code == 201, response.text
        return response.json()

    def socket(self, path: str) -> Socket:
        return Socket(self.app, path, self.session_id)


class Socket:
    """A websocket connection, as the server sees it. Entered, it is accepted; left, the client goes away."""

    def __init__(self, app: Litestar, path: str, session_id: str | None) -> None:
        self._app = app
        self._scope: Any = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"cookie", f"session={session_id}".encode())] if session_id else [],
            "client": ("test", 1),
            "server": ("test", 80),
            "subprotocols": [],
        }
        self._in: asyncio.Queue[Any] = asyncio.Queue()
        self._out: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._app(self._scope, self._in.get, self._out.put))
        self.first = await self._out.get()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task

    @property
    def cookies(self) -> SimpleCookie:
        """What the answer to the handshake sets."""
        cookies = SimpleCookie()
        for name, value in self.first.get("headers", ()):
            if name.lower() == b"set-cookie":
                cookies.load(value.decode())
        return cookies

    async def say(self, text: str) -> Any:
        """Send a text; the next message of the server."""
        self._in.put_nowait({"type": "websocket.receive", "text": text})
        return await self._out.get()


def new_plugin(database: Database, data_format: str, **options: Any) -> SQLStoresPlugin:
    """The plugin on a database, as in a process of its own."""
    return SQLStoresPlugin(database.url, table=database.table, data_format=data_format, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def serve(
    plugin: SQLStoresPlugin, handlers: Sequence[Any], sessions: ServerSideSessionConfig | None = None, **options: Any
) -> AsyncIterator[Site]:
    """Run an application with the plugin, and with sessions if there is a config of them."""
    middleware = [*([sessions.middleware] if sessions else []), *options.pop("middleware", [])]
    # Around ours, as others come before and after it in applications.
    plugins = [*options.pop("plugins_before", []), plugin, *options.pop("plugins", [])]
    # Litestar would put a logging configuration in place of that of the tests.
    options = {"openapi_config": None, "logging_config": None, **options}
    app = Litestar(handlers, plugins=plugins, middleware=middleware, **options)
    site = Site(app, plugin)
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        try:
            async with app.lifespan():
                started.set()
                await stop.wait()
        except ExceptionGroup as group:  # Litestar runs in a task group
            raise group.exceptions[0] from group.exceptions[0].__cause__

    # In a task of its own, so that a test that fails does so with its own error.
    life = asyncio.create_task(live())
    life.add_done_callback(lambda _: started.set())
    await started.wait()
    if life.done():
        await life
    try:
        yield site
    finally:
        stop.set()
        await life


def set_cookies(response: Response) -> SimpleCookie:
    """What a response sets."""
    cookies = SimpleCookie()
    for value in response.headers.get_list("set-cookie"):
        cookies.load(value)
    return cookies
