"""Applications that are mounted in the one under test, and do what they like with the scope that they are given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.browsers.handlers import END, FILLER, page
from tests.browsers.line import REQUEST_HEADER

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send
    from starlette.requests import Request

__all__ = ("FOREIGN_HEADER", "PANEL_COOKIE", "mounted_applications")

FOREIGN_HEADER = "x-foreign"
"""What a mounted application that is not Litestar does to its session: ``fill``, ``empty`` or ``remove``."""
PANEL_COOKIE = "panel"
SCOPES = {"none": None, "true": True, "false": False}

SHARED_HEADERS = [(b"content-type", b"application/json")]
"""One list for all responses, as a constant of an application is. Litestar's own compression changes it, which no harm
comes of as long as all responses are compressed."""


async def _panel(request: Request) -> JSONResponse:
    what = request.headers.get(FOREIGN_HEADER)
    before = dict(request.session)
    if what == "fill":
        request.session["panel user"] = request.headers["x-browser"]
    elif what == "empty":
        request.session.clear()
    return JSONResponse(_page(request.headers, before))


def _page(headers: Any, panel: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "request": headers[REQUEST_HEADER],
        "by": headers["x-browser"],
        "session": None,
        "panel": panel,
        "filler": FILLER,
        "end": END,
    }


def _starlette() -> ASGIApp:
    middleware = Middleware(SessionMiddleware, secret_key="the panel's own", session_cookie=PANEL_COOKIE)
    application: Any = Starlette(routes=[Route("/{rest:path}", _panel)], middleware=[middleware])
    return application  # type: ignore[no-any-return]


async def _plain(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    wide: Any = scope
    if headers.get(FOREIGN_HEADER) == "fill":
        wide["session"] = {"user": "mallory"}
    elif headers.get(FOREIGN_HEADER) == "empty":
        wide["session"] = {}
    elif headers.get(FOREIGN_HEADER) == "remove":
        wide.pop("session", None)
    await send({"type": "http.response.start", "status": 200, "headers": SHARED_HEADERS})
    body = json.dumps(_page(headers, None)).encode()
    await send({"type": "http.response.body", "body": body, "more_body": False})


def mounted_applications(path: str, middleware: Any) -> list[Any]:
    """Each of them with each way to hand it the scope."""
    return [
        asgi(f"{path}/{name}-{word}", is_mount=True, copy_scope=copy_scope, middleware=[middleware])(application)
        for word, copy_scope in SCOPES.items()
        for name, application in (
            ("litestar", Litestar([page], openapi_config=None)),
            ("starlette", _starlette()),
            ("plain", _plain),
        )
    ]
