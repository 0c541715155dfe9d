"""An application that switches from another store: who logs in before, and what there is to find after."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from litestar import Litestar
from litestar.middleware.session.server_side import ServerSideSessionConfig

from tests.cli.app import HANDLERS, make_app
from tests.cli.processes import plugin_options
from tests.wiring.helpers import Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar.stores.base import Store as AnyStore

    from tests.backends import Database, Store

__all__ = ("assert_ada_is_logged_in", "log_ada_in")


@asynccontextmanager
async def _serving(app: Litestar) -> AsyncIterator[Litestar]:
    async with app.lifespan():
        yield app


async def log_ada_in(old: AnyStore) -> str | None:
    """Have her log in where sessions are in the other store; the id of her session."""
    before = Litestar(
        HANDLERS,
        stores={"sessions": old},
        middleware=[ServerSideSessionConfig(max_age=5000).middleware],
        openapi_config=None,
        logging_config=None,
    )
    async with _serving(before), Browser(before) as ada:
        await ada.do("/log-in", name="ada")
        assert (await ada.get("/")).text == "ada"
    return ada.session_id


async def assert_ada_is_logged_in(database: Database, store: Store, session_id: str | None) -> None:
    """See that her session is hers, lives as long as it did, and is one to the application after the switch."""
    (entry,) = await store.with_namespace("sessions").list_owned("ada")
    assert entry.expires_at is not None
    assert timedelta(seconds=4900) < entry.expires_at - entry.created_at <= timedelta(seconds=5001)
    after = make_app([plugin_options(database)])
    async with _serving(after), Browser(after, session_id) as returned:
        assert (await returned.get("/")).text == "ada"
    async with _serving(after), Browser(after, "0" * 64) as stranger:
        assert (await stranger.get("/")).text == "nobody"
