"""Log in, see where you are logged in, and log out everywhere else.

litestar --app examples.sessions:app run

curl -c phone -b phone -X POST localhost:8000/login/ada
curl -c laptop -b laptop -X POST localhost:8000/login/ada
curl -b laptop localhost:8000/devices
curl -b laptop -X POST localhost:8000/logout-elsewhere
curl -b phone localhost:8000/
"""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from litestar import Litestar, Request, get, post
from litestar.exceptions import NotAuthorizedException
from litestar.params import FromPath

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin, end_sessions, list_sessions, rotate_session_id

AnyRequest: TypeAlias = Request[Any, Any, Any]


@dataclass
class Device:
    """A session, as its owner may see it."""

    since: datetime
    last_seen: datetime
    this_one: bool


@post("/login/{name:str}")
async def login(request: AnyRequest, name: FromPath[str]) -> None:
    """Log in; an example believes any name."""
    # Whoever knew the id of the session before it meant anything does not know the new one.
    rotate_session_id(request)
    request.session["user"] = name


@get("/")
async def who(request: AnyRequest) -> str:
    """Who you are, and how often you have asked."""
    if "user" not in request.session:
        raise NotAuthorizedException
    request.session["visits"] = request.session.get("visits", 0) + 1
    return f"{request.session['user']}, visit {request.session['visits']}"


@get("/devices")
async def devices(request: AnyRequest) -> list[Device]:
    """Where you are logged in, the last one used first."""
    return [Device(each.created_at, each.renewed_at, each.current) for each in await list_sessions(request)]


@post("/logout-elsewhere")
async def logout_elsewhere(request: AnyRequest) -> int:
    """Log out on all other devices, as after a change of password; on how many."""
    return await end_sessions(request, except_current=True)


@post("/logout")
async def logout(request: AnyRequest) -> None:
    """Log out: the session is deleted, so a copy of its cookie is worth nothing."""
    request.clear_session()


app = Litestar(
    [login, who, devices, logout_elsewhere, logout],
    plugins=[SQLStoresPlugin(os.environ.get("DATABASE_URL", "sqlite:///app.db"))],
    middleware=[SQLSessionConfig(owner_key="user").middleware],
)
