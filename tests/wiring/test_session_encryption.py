"""Sessions that the database cannot read, and what becomes of those whose key is gone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from litestar import get
from litestar.middleware.session.server_side import ServerSideSessionConfig

from litestar_sqlstores import DecryptionError
from tests.contract.helpers import about
from tests.wiring.helpers import MAX_AGE, new_plugin, serve
from tests.wiring.session_app import HANDLERS, serve_sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar_sqlstores import SQLStoresPlugin
    from tests.backends import Database

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]

NewPlugin: TypeAlias = "Callable[..., SQLStoresPlugin]"

OLD, NEW = "the key of the sessions at first, a text", "the key of the sessions later on, a text"


@pytest.fixture
def new(database: Database, data_format: str) -> NewPlugin:
    """Makes the plugin with some keys, as in a process of its own."""
    return lambda *keys: new_plugin(database, data_format, encryption_keys=keys)


async def test_a_session_lives_through_a_change_of_keys(new: NewPlugin) -> None:
    secret = "what nobody is to find in the table"
    async with serve_sessions(new(OLD)) as site, site.browser() as browser:
        await browser.do("/login/ada")
        await browser.do("/write", secret=secret)
        session_id = browser.session_id
        (row,) = await site.rows("data")
        assert secret.encode() not in bytes(row["data"])
    async with serve_sessions(new(NEW, OLD)) as site, site.browser(session_id) as browser:
        assert await browser.read() == {"name": "ada", "secret": secret}
        await browser.do("/write", more=1)
    async with serve_sessions(new(NEW)) as site, site.browser(session_id) as browser:
        assert await browser.read() == {"name": "ada", "secret": secret, "more": 1}


async def test_a_session_that_is_only_read_gets_the_new_key(new: NewPlugin) -> None:
    async with serve_sessions(new(OLD)) as site, site.browser() as browser:
        await browser.do("/login/ada")
        session_id = browser.session_id
    async with serve_sessions(new(NEW, OLD)) as site, site.browser(session_id) as browser:
        before = await site.rows("data, owner")
        await browser.read("/untouched")
        after = await site.rows("data, owner")
        assert after != before
        # Once, and not again with the next request.
        assert await browser.read() == {"name": "ada"}
        assert await site.rows("data, owner") == after
    async with serve_sessions(new(NEW)) as site, site.browser(session_id) as browser:
        assert await browser.read() == {"name": "ada"}


@pytest.mark.parametrize("on_conflict", ["merge", "overwrite"])
async def test_the_new_key_takes_no_change_back(new: NewPlugin, on_conflict: Any) -> None:
    async with serve_sessions(new(OLD)) as site, site.browser() as browser:
        await browser.do("/login/ada")
        session_id = browser.session_id
    reading, changed = asyncio.Event(), asyncio.Event()

    @get("/slow")
    async def slow() -> None:
        reading.set()
        await changed.wait()

    async with (
        serve_sessions(new(NEW, OLD), slow, on_conflict=on_conflict) as site,
        site.browser(session_id) as one,
        site.browser(session_id) as other,
    ):
        slowly = asyncio.create_task(one.read("/slow"))
        await reading.wait()
        await other.do("/write", more=1)
        changed.set()
        await slowly
        assert await other.read() == {"name": "ada", "more": 1}


async def test_the_new_key_gives_no_session_more_time(new: NewPlugin) -> None:
    async with serve_sessions(new(OLD), renew_on_access=False) as site, site.browser() as browser:
        await browser.do("/login/ada")
        session_id = browser.session_id or ""
        assert await site.store().renew(session_id, 100)
    async with serve_sessions(new(NEW, OLD), renew_on_access=False) as site, site.browser(session_id) as browser:
        assert await browser.read() == {"name": "ada"}
        assert await site.store().expires_in(session_id) == about(100)
    async with serve_sessions(new(NEW)) as site, site.browser(session_id) as browser:
        assert await browser.read() == {"name": "ada"}


async def test_who_has_a_session_that_cannot_be_read_logs_in_again(
    new: NewPlugin, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve_sessions(new(OLD)) as site, site.browser() as browser:
        await browser.do("/login/ada")
        session_id = browser.session_id
        before = await site.rows("data")
    async with serve_sessions(new(NEW)) as site:
        with caplog.at_level(logging.WARNING, "litestar_sqlstores"):
            async with site.browser(session_id) as browser:
                assert await browser.read() == {}
                assert await browser.read("/untouched") is None
                assert browser.session_id == session_id
                # Nothing is lost: with the old key among the keys, the session is there again.
                assert await site.rows("data") == before
                await browser.do("/login/bob")
                assert browser.session_id not in {session_id, None}
                assert await browser.read() == {"name": "bob"}
        assert "a session counts as none: the entry was encrypted with another key" in caplog.text


async def test_litestars_own_sessions_say_what_is_wrong(new: NewPlugin) -> None:
    config = ServerSideSessionConfig(store="sessions", max_age=MAX_AGE)
    async with serve(new(OLD), HANDLERS, config) as site, site.browser() as browser:
        await browser.do("/write", name="ada")
        assert await browser.read() == {"name": "ada"}
        session_id = browser.session_id
    async with serve(new(NEW), HANDLERS, config) as site:
        async with site.browser(session_id) as browser:
            assert (await browser.get("/")).status_code == 500
        assert [type(error) for error in site.errors] == [DecryptionError]
