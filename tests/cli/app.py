"""What the commands look after: an application whose plugins the environment names."""

from __future__ import annotations

import json
import os
from typing import Any

from litestar import Litestar, Request, get, post

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin


@post("/log-in")
async def log_in(request: Request[Any, Any, Any]) -> None:
    request.session["user"] = (await request.json())["name"]


@get("/")
async def who(request: Request[Any, Any, Any]) -> str:
    return str(request.session.get("user", "nobody"))


HANDLERS = (log_in, who)


def make_app(plugins: list[dict[str, Any]] | None = None) -> Litestar:
    """Make the application.

    Args:
        plugins: The arguments of each SQLStoresPlugin; by default, those in `SQL_STORES`.
    """
    given = json.loads(os.environ["SQL_STORES"]) if plugins is None else plugins
    return Litestar(
        HANDLERS,
        plugins=[SQLStoresPlugin(**each) for each in given],
        middleware=[SQLSessionConfig(owner_key="user").middleware],
        openapi_config=None,
        logging_config=None,
    )
