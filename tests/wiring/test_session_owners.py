"""Whose a session is: to see all that somebody has, and to end them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from litestar import get, post

from litestar_sqlstores import SQLSessionConfig, end_sessions, list_sessions, rotate_session_id
from litestar_sqlstores.errors import ConfigurationError
from tests.wiring.helpers import MAX_AGE, AnyRequest, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar_sqlstores import SQLStoresPlugin
    from tests.wiring.helpers import Site

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]


@get("/")
async def read(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@post("/login")
async def login(request: AnyRequest) -> None:
    rotate_session_id(request)
    request.session.update(await request.json())


@get("/sessions")
async def sessions(request: AnyRequest) -> list[dict[str, Any]]:
    return [asdict(session) for session in await list_sessions(request, request.query_params.get("of"))]


@post("/end")
async def end(request: AnyRequest) -> int:
    data = await request.json()
    return await end_sessions(request, data.get("of"), except_current=data.get("except_current", False))


@post("/clear-and-end")
async def clear_and_end(request: AnyRequest) -> int:
    request.clear_session()
    return await end_sessions(request, "7")


@asynccontextmanager
async def serve_owned(plugin: SQLStoresPlugin, **options: Any) -> AsyncIterator[Site]:
    config = SQLSessionConfig(**{"owner_key": "user_id", "max_age": MAX_AGE, **options})
    async with serve(plugin, [read, login, sessions, end, clear_and_end], config) as site:
        yield site


async def test_listing_sessions(plugin: SQLStoresPlugin) -> None:
    async with serve_owned(plugin) as site:
        phone, laptop, other = (site.browser() for _ in range(3))
        await other.do("/login", user_id=8)
        await laptop.do("/login", user_id=7)
        await asyncio.sleep(0.01)  # some databases count in milliseconds
        await phone.do("/login", user_id=7)
        response = await phone.get("/sessions")
        found = response.json()
        assert [session["current"] for session in found] == [True, False]
        for session in found:
            assert set(session) == {"created_at", "renewed_at", "expires_at", "current"}
            created, renewed, expires = (
                datetime.fromisoformat(session[name]) for name in ("created_at", "renewed_at", "expires_at")
            )
            assert abs(datetime.now(UTC) - created) < timedelta(seconds=30)
            assert created <= renewed
            assert expires - renewed == timedelta(seconds=MAX_AGE)
        for known in (phone, laptop):
            assert str(known.session_id) not in response.text
            assert site.store().digest(known.session_id or "").hex() not in response.text
        assert [session["current"] for session in await laptop.read("/sessions")] == [False, True]
        assert len(await phone.read("/sessions?of=8")) == 1
        assert await phone.read("/sessions?of=9") == []


async def test_ending_the_other_sessions(plugin: SQLStoresPlugin) -> None:
    async with serve_owned(plugin) as site:
        phone, laptop, tablet, other = (site.browser() for _ in range(4))
        for browser in (phone, laptop, tablet):
            await browser.do("/login", user_id=7)
        await other.do("/login", user_id=8)
        assert await phone.do("/end", except_current=True) == 2
        assert await phone.read() == {"user_id": 7}
        assert await laptop.read() == await tablet.read() == {}
        assert await other.read() == {"user_id": 8}


async def test_ending_all_sessions(plugin: SQLStoresPlugin) -> None:
    async with serve_owned(plugin) as site:
        phone, laptop, other = (site.browser() for _ in range(3))
        for browser in (phone, laptop):
            await browser.do("/login", user_id=7)
        await other.do("/login", user_id=8)
        assert await phone.do("/end") == 2
        assert phone.session_id is None
        assert await phone.read() == await laptop.read() == {}
        assert [row["owner"] for row in await site.rows("owner")] == ["8"]


async def test_ending_somebody_elses_sessions(plugin: SQLStoresPlugin) -> None:
    async with serve_owned(plugin) as site:
        admin, user = site.browser(), site.browser()
        await admin.do("/login", user_id=1)
        await user.do("/login", user_id=7)
        assert await admin.do("/end", of=7) == 1
        assert await user.read() == {}
        assert await admin.read() == {"user_id": 1}
        assert await admin.do("/end", of=1, except_current=True) == 0
        assert await admin.read() == {"user_id": 1}


async def test_an_owner_is_never_taken_for_none(plugin: SQLStoresPlugin) -> None:
    async with serve_owned(plugin) as site:
        zero, nameless, admin = (site.browser() for _ in range(3))
        await zero.do("/login", user_id=0)
        await nameless.do("/login", user_id="")
        await admin.do("/login", user_id=1)
        assert len(await zero.read("/sessions")) == 1
        assert await admin.do("/end", of=0) == 1
        assert await admin.do("/end", of="") == 1
        assert await admin.read() == {"user_id": 1}
        assert await zero.read() == await nameless.read() == {}


async def test_the_owner_can_be_a_function(plugin: SQLStoresPlugin) -> None:
    number = UUID("12345678-1234-5678-1234-567812345678")

    def owner(session: dict[str, Any]) -> Any:
        return UUID(session["user"]["id"]) if "user" in session else None

    async with serve_owned(plugin, owner_key=owner) as site:
        ada, anonymous = site.browser(), site.browser()
        await ada.do("/login", user={"id": str(number)})
        await anonymous.do("/login", a=1)
        assert {row["owner"] for row in await site.rows("owner")} == {str(number), None}
        assert len(await ada.read("/sessions")) == 1
        assert await ada.do("/clear-and-end") == 0
        assert ada.session_id is None


async def test_an_owner_comes_and_goes_with_the_session(plugin: SQLStoresPlugin) -> None:
    async with serve_owned(plugin) as site:
        ada = site.browser()
        await ada.do("/login", basket=["tea"])
        for user_id, owners in ((7, ["7"]), (8, ["8"]), (None, [])):
            await ada.do("/login", user_id=user_id)
            assert (await ada.read())["basket"] == ["tea"]
            assert [row["owner"] for row in await site.rows("owner") if row["owner"]] == owners


@pytest.mark.parametrize(
    "owner_key, text",
    [
        (None, "sessions have no owners: set SQLSessionConfig(owner_key=...) to the entry that holds the user's id"),
        ("user_id", "the session has no owner (owner_key is 'user_id'): log in first, or pass owner="),
    ],
)
async def test_a_session_without_an_owner_says_what_to_do(
    plugin: SQLStoresPlugin, owner_key: str | None, text: str
) -> None:
    async with serve_owned(plugin, owner_key=owner_key) as site:
        ada = site.browser()
        assert (await ada.get("/sessions")).status_code == 500
        await ada.do("/login", name="Ada")
        assert (await ada.post("/end", json={})).status_code == 500
        assert await ada.read() == {"name": "Ada"}
        assert [type(error) for error in site.errors] == [ConfigurationError] * 2
        assert [str(error) for error in site.errors] == [text] * 2


async def test_without_a_session_of_the_config_the_functions_say_so(plugin: SQLStoresPlugin) -> None:
    text = "the connection has no session of SQLSessionConfig; put its middleware on this route, or do not exclude it"
    async with serve_owned(plugin, exclude="^/(sessions|end|login)") as site:
        assert (await site.browser().get("/sessions?of=7")).status_code == 500
        assert (await site.browser().post("/end", json={"of": 7})).status_code == 500
        assert (await site.browser().post("/login", json={})).status_code == 500
        assert [str(error) for error in site.errors] == [text] * 3


@pytest.mark.parametrize(
    "options, text",
    [
        ({"on_conflict": "last"}, "on_conflict is 'last'; it must be 'overwrite' or 'merge'"),
        ({"max_age": 100.5}, "max_age is 100.5; it must be a whole number of seconds"),
        ({"owner_key": 7}, "owner_key is 7; it must be the name of an entry, or a function of the session"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        SQLSessionConfig(**options)
    assert str(error.value) == text
