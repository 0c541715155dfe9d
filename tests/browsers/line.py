"""The line between the test and the application: where handlers wait for it, and what became of each response."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("REQUEST_HEADER", "VISIT_KEY", "Line", "Recorder", "Report", "Switchboard", "Visit", "request_id_of")

HOST = "127.0.0.1"
REQUEST_HEADER = "x-request"
VISIT_KEY = "browsers.visit"
"""Where handlers find the :class:`Visit` in the scope of a connection, mounted ones too."""
PATIENCE = 20.0


@dataclass
class Report:
    """What the server was given for one request.

    Attributes:
        request: Its id.
        starts: How many responses began.
        ends: How many ended.
        seen_starts: How many began for a middleware of the application, which lies within its exception handlers.
        raised: The error that the application let out.
    """

    request: str
    starts: int = 0
    ends: int = 0
    seen_starts: int = 0
    raised: str = ""


class Switchboard:
    """The test's end: holds requests and lets them go on, and keeps the reports."""

    def __init__(self) -> None:
        self._held: dict[str, asyncio.StreamWriter] = {}
        self._reports: dict[str, Report] = {}
        self._news: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; on which port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def held(self, request: str) -> None:
        """Wait until a request is held, or over."""
        async with asyncio.timeout(PATIENCE):
            while request not in self._held and request not in self._reports:
                await self._news[request].wait()
                self._news[request].clear()

    def is_held(self, request: str) -> bool:
        return request in self._held

    async def release(self, request: str) -> None:
        """Let a request go on that is held."""
        writer = self._held.pop(request)
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()

    async def report(self, request: str) -> Report:
        """What became of a request; waits until the application is through with it."""
        async with asyncio.timeout(PATIENCE):
            while request not in self._reports:
                await self._news[request].wait()
                self._news[request].clear()
        self._news.pop(request, None)
        return self._reports.pop(request)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                said = json.loads(line)
                if isinstance(said, str):
                    self._held[said] = writer
                    self._news[said].set()
                else:
                    report = Report(**said)
                    self._reports[report.request] = report
                    self._news[report.request].set()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the server has ended, or we have
        finally:
            writer.close()


class Line:
    """The application's end, one in each process.

    Args:
        port: Where the switchboard listens.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._connected: asyncio.Task[asyncio.StreamWriter] | None = None
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def hold(self, request: str) -> None:
        """Wait until the test lets the request go on."""
        released = self._waiting[request] = asyncio.get_running_loop().create_future()
        await self._say(request)
        await released

    async def report(self, report: Report) -> None:
        await self._say(asdict(report))

    async def _say(self, what: object) -> None:
        if self._connected is None:
            self._connected = asyncio.ensure_future(self._connect())
        writer = await asyncio.shield(self._connected)
        writer.write(json.dumps(what).encode() + b"\n")

    async def _connect(self) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        self._listener = asyncio.ensure_future(self._listen(reader))
        return writer

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            released = self._waiting.pop(json.loads(line))
            if not released.done():  # its request may have been given up
                released.set_result(None)


@dataclass(frozen=True)
class Visit:
    """What the recorder knows of a connection before anybody else does.

    Attributes:
        line: The line to the test.
        request: What the test calls it.
        part: The first segment of its path.
    """

    line: Line
    request: str
    part: str


class Recorder:
    """Tells the test how each response began and ended."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._reports: dict[str, Report] = {}

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application whose responses are recorded as the server gets them."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in {"http", "websocket"} or not (request := request_id_of(scope)):
                await app(scope, receive, send)
                return
            report = self._reports[request] = Report(request)
            wide: Any = scope
            wide[VISIT_KEY] = Visit(self._line, request, scope["path"].split("/")[1])

            async def recording_send(message: Message) -> None:
                kind = message["type"]
                if kind in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
                    report.starts += 1
                elif kind == "http.response.body" and not message.get("more_body"):
                    report.ends += 1
                await send(message)

            try:
                await app(scope, receive, recording_send)
            except BaseException as error:
                report.raised = f"{error!r} from {error.__cause__ or error.__context__!r}"
                raise
            finally:
                del self._reports[request]
                await self._line.report(report)

        return recorded

    def witness(self, app: ASGIApp) -> ASGIApp:
        """A middleware that counts how often a response begins where it stands."""

        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            report = self._reports.get(request_id_of(scope))

            async def counting_send(message: Message) -> None:
                if report is not None and message["type"] == "http.response.start":
                    report.seen_starts += 1
                await send(message)

            await app(scope, receive, counting_send)

        return middleware


def request_id_of(scope: Scope) -> str:
    """What the test calls a request; empty for others, such as a health check."""
    wanted = REQUEST_HEADER.encode()
    return next((value.decode() for name, value in scope["headers"] if name == wanted), "")
