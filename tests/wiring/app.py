"""What the servers of the tests serve: everything on the database that the environment names."""

from __future__ import annotations

import json
import os
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.logging import LoggingConfig

from litestar_sqlstores import SQLRateLimitConfig, SQLSessionConfig, SQLStoresPlugin

LIMIT = 100


@get("/limited")
async def limited() -> int:
    return os.getpid()


@post("/count", unlimited=True)
async def count(request: Request[Any, Any, Any]) -> int:
    request.session["count"] = request.session.get("count", 0) + 1
    return int(request.session["count"])


@get("/session", unlimited=True)
async def session(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return dict(request.session)


@get("/pid", unlimited=True, skip_session=True)
async def pid() -> int:
    return os.getpid()


def make_app() -> Litestar:
    return Litestar(
        [limited, count, session, pid],
        plugins=[SQLStoresPlugin(**json.loads(os.environ["SQL_STORES"]))],
        middleware=[
            SQLSessionConfig().middleware,
            SQLRateLimitConfig(("day", LIMIT), exclude_opt_key="unlimited").middleware,
        ],
        logging_config=LoggingConfig(log_exceptions="always", disable_stack_trace={429}),
        openapi_config=None,
    )
