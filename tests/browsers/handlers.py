"""The pages of the application: each performs the program that its request carries, and shows what it saw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from litestar import Request, Response, WebSocket, get, route, websocket
from litestar.connection import ASGIConnection
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import ServerSentEvent, Stream
from litestar.types import Empty

from litestar_sqlstores import end_sessions, rotate_session_id
from tests.browsers.line import REQUEST_HEADER, VISIT_KEY, Visit
from tests.browsers.programs import PROGRAM_HEADER, Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.browsers.programs import Step

__all__ = ("END", "FILLER", "HANDLERS", "TOO_LARGE", "page_of", "perform", "visited")

AnyConnection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
AnyRequest: TypeAlias = Request[Any, Any, Any]
AnyWebSocket: TypeAlias = WebSocket[Any, Any, Any]

END = "the end of the page"
"""What no page is whole without."""
TOO_LARGE = 20_000
"""The longest value that the application's stores take, in bytes."""
FILLER = "so that it is worth compressing " * 10


def page_of(connection: AnyConnection, seen: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """What a page shows: who asked for it, for what, and what the session was for them."""
    headers = connection.headers
    return {
        "request": headers.get(REQUEST_HEADER),
        "by": headers.get("x-browser"),
        "url": headers.get("x-url"),
        "method": connection.scope.get("method", ""),
        "host": headers.get("host"),
        "language": headers.get("accept-language"),
        "session": seen,
        **more,
        "filler": FILLER,
        "end": END,
    }


class _Performance:
    """What happens to the session of one connection."""

    def __init__(self, connection: AnyConnection) -> None:
        self.connection = connection
        self.seen: dict[str, Any] | None = None
        self.cookies: list[str] = []
        scope: Any = connection.scope
        self._visit: Visit = scope[VISIT_KEY]

    async def run(self, steps: tuple[Step, ...]) -> None:
        for name, *arguments in steps:
            await getattr(self, f"_{name.replace('-', '_')}")(*arguments)

    async def _hold(self) -> None:
        await self._visit.line.hold(self._visit.request)

    async def _cookie(self, value: str) -> None:
        self.cookies.append(value)

    @property
    def _session(self) -> dict[str, Any]:
        """The session, or a new one after a log-out."""
        if self.connection.scope["session"] is Empty:
            self.connection.set_session({})
        return self.connection.session

    async def _read(self) -> None:
        self.seen = dict(self._session)

    async def _set(self, key: str, value: str) -> None:
        self._session[key] = value

    async def _drop(self, key: str) -> None:
        self._session.pop(key, None)

    async def _rotate(self) -> None:
        if self._visit.part != "stock":
            rotate_session_id(self.connection)

    async def _log_in(self, user: str) -> None:
        await self._rotate()
        self._session["user"] = user

    async def _enter(self, user: str) -> None:
        self.connection.set_session({**self._session, "user": user})

    async def _log_out(self) -> None:
        self.connection.clear_session()

    async def _end(self, whose: str) -> None:
        if "user" in self._session:
            await end_sessions(self.connection, except_current=whose == "others")

    async def _spoil(self, how: str) -> None:
        self._session["spoiled"] = 1j if how == "object" else "x" * 2 * TOO_LARGE

    async def _raise(self, what: str) -> None:
        if what == "conflict":
            raise HTTPException(status_code=409, detail=END)
        msg = "as it was told"
        raise RuntimeError(msg)


def program_of(connection: AnyConnection) -> Program:
    return Program.decode(connection.headers.get(PROGRAM_HEADER, ""))


async def perform(connection: AnyConnection) -> _Performance:
    """Do what the request's program says, up to the begin of the response."""
    performance = _Performance(connection)
    await performance.run(program_of(connection).before)
    return performance


async def visited(connection: AnyConnection, **headers: str) -> Response[dict[str, Any]]:
    """Perform, and answer with a page."""
    performance = await perform(connection)
    response = Response(page_of(connection, performance.seen), headers=headers)
    for value in performance.cookies:
        response.set_cookie("own", value)
    return response


@route("/page", http_method=["GET", "POST"], status_code=200)
async def page(request: AnyRequest) -> Response[dict[str, Any]]:
    return await visited(request)


@get("/cached/{name:str}", cache=600)
async def cached(request: AnyRequest, name: FromPath[str]) -> Response[dict[str, Any]]:
    return await visited(request)


@get("/varying/{name:str}", cache=600)
async def varying(request: AnyRequest, name: FromPath[str]) -> Response[dict[str, Any]]:
    return await visited(request, vary="Accept-Language")


@get("/private/{name:str}", cache=600)
async def private(request: AnyRequest, name: FromPath[str]) -> Response[dict[str, Any]]:
    return await visited(request, **{"cache-control": "private"})


@get("/public", cache_control=CacheControlHeader(public=True, max_age=600))
async def public(request: AnyRequest) -> Response[dict[str, Any]]:
    return await visited(request)


async def _in_pieces(request: AnyRequest, seen: dict[str, Any] | None) -> AsyncIterator[str]:
    text = json.dumps(page_of(request, seen))
    yield text[:100]
    await _Performance(request).run(program_of(request).during)
    yield text[100:]


async def _streamed(request: AnyRequest) -> Stream:
    performance = await perform(request)
    response = Stream(_in_pieces(request, performance.seen), media_type="application/json")
    for value in performance.cookies:
        response.set_cookie("own", value)
    return response


@get("/stream")
async def stream(request: AnyRequest) -> Stream:
    return await _streamed(request)


@get("/cached-stream/{name:str}", cache=600)
async def cached_stream(request: AnyRequest, name: FromPath[str]) -> Stream:
    return await _streamed(request)


@get("/events")
async def events(request: AnyRequest) -> ServerSentEvent:
    performance = await perform(request)

    async def told() -> AsyncIterator[str]:
        yield json.dumps(page_of(request, performance.seen))
        await _Performance(request).run(program_of(request).during)
        yield END

    return ServerSentEvent(told())


@websocket("/socket")
async def socket(socket: AnyWebSocket) -> None:
    performance = await perform(socket)
    await socket.accept()
    await performance.run(program_of(socket).during)
    await socket.send_text(json.dumps(page_of(socket, performance.seen)))
    await socket.close()


HANDLERS = [page, cached, varying, private, public, stream, cached_stream, events, socket]
