"""Requests of one session that overlap."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from litestar import get, post

from litestar_sqlstores import SQLSessionConfig, end_sessions, rotate_session_id
from litestar_sqlstores.errors import ConflictError
from litestar_sqlstores.sessions import conflicts
from litestar_sqlstores.store import BaseSQLSpecStore
from tests.wiring.helpers import AnyRequest, serve, set_cookies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx import Response

    from litestar_sqlstores import SQLStoresPlugin
    from tests.wiring.helpers import Browser, Site

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes")]


class Overlap:
    """A request that has loaded its session, and waits before it does something with it."""

    def __init__(self) -> None:
        self.loaded = asyncio.Event()
        self.go_on = asyncio.Event()

    @asynccontextmanager
    async def around(self, browser: Browser, path: str, **data: Any) -> AsyncIterator[list[Response]]:
        """Start the request, and end it on leaving; then its response is in the list."""
        responses: list[Response] = []
        # Its answer must not change the cookies of the browser that did something else meanwhile.
        other = browser.__class__(browser.app, browser.session_id)
        request = asyncio.create_task(other.post(path, json=data))
        await self.loaded.wait()
        yield responses
        self.go_on.set()
        responses.append(await request)
        assert responses[0].status_code == 201


@pytest.fixture
def overlap() -> Overlap:
    return Overlap()


@asynccontextmanager
async def serve_slowly(plugin: SQLStoresPlugin, overlap: Overlap, **options: Any) -> AsyncIterator[Site]:
    async def wait() -> None:
        overlap.loaded.set()
        await overlap.go_on.wait()

    @get("/")
    async def read(request: AnyRequest) -> dict[str, Any]:
        return dict(request.session)

    @post("/write")
    async def write(request: AnyRequest) -> None:
        request.session.update(await request.json())

    @post("/slow/write")
    async def slow_write(request: AnyRequest) -> None:
        request.session.update(await request.json())
        await wait()

    @post("/slow/remove/{name:str}")
    async def slow_remove(request: AnyRequest) -> None:
        del request.session[request.path_params["name"]]
        await wait()

    @post("/slow/read")
    async def slow_read(request: AnyRequest) -> dict[str, Any]:
        await wait()
        return dict(request.session)

    @post("/slow/rotate")
    async def slow_rotate(request: AnyRequest) -> None:
        request.session.update(await request.json())
        rotate_session_id(request)
        await wait()

    @post("/rotate")
    async def rotate(request: AnyRequest) -> None:
        rotate_session_id(request)
        request.session.update(await request.json())

    @post("/logout")
    async def logout(request: AnyRequest) -> None:
        request.clear_session()

    @post("/logout-everywhere")
    async def logout_everywhere(request: AnyRequest) -> int:
        return await end_sessions(request)

    handlers = [read, write, slow_write, slow_remove, slow_read, slow_rotate, rotate, logout, logout_everywhere]
    async with serve(plugin, handlers, SQLSessionConfig(owner_key="user", **options)) as site:
        yield site
        assert site.errors == []


async def test_merging_keeps_what_both_changed(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=1, b=1, c=1, d={"x": 1}, user="Ada")
        async with overlap.around(ada, "/slow/write", b=2, e=2):
            await ada.do("/write", c=3, d={"x": 3})
        assert await ada.read() == {"a": 1, "b": 2, "c": 3, "d": {"x": 3}, "e": 2, "user": "Ada"}
        assert [row["owner"] for row in await site.rows("owner")] == ["Ada"]


async def test_merging_takes_the_last_value_of_one_entry(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=1, d={"x": 1})
        async with overlap.around(ada, "/slow/write", a=2, d={"y": 2}):
            await ada.do("/write", a=3, d={"x": 3})
        assert await ada.read() == {"a": 2, "d": {"y": 2}}


async def test_merging_keeps_what_was_removed_removed(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=1, b=1)
        async with overlap.around(ada, "/slow/remove/a"):
            await ada.do("/write", b=3)
        assert await ada.read() == {"b": 3}


async def test_merging_many_at_once(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        many = [site.browser(ada.session_id) for _ in range(64)]
        await asyncio.gather(*(one.do("/write", **{f"key{number}": number}) for number, one in enumerate(many)))
        assert await ada.read() == {"a": 1} | {f"key{number}": number for number in range(64)}


async def test_who_takes_the_last_entry_out_takes_out_no_other_one(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with overlap.around(ada, "/slow/remove/a") as responses:
            await ada.do("/write", b=2)
        assert all("Max-Age=0" not in cookie for cookie in set_cookies(responses[0]))
        assert await ada.read() == {"b": 2}
        await ada.post("/slow/remove/b")
        assert await ada.read() == {}
        assert ada.session_id is None


async def test_two_who_take_out_one_entry_each_leave_no_session(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=1, b=2)
        async with overlap.around(ada, "/slow/remove/a") as responses:
            await ada.do("/write", b=3)
            overlap.go_on.set()
            await ada.post("/slow/remove/b")
        assert len(responses) == 1
        assert await ada.read() == {}
        store: Any = site.store()
        await store.delete_expired()
        assert await site.rows() == []


async def test_a_change_that_cannot_be_merged_is_an_error_and_not_lost_silently(
    plugin: SQLStoresPlugin, overlap: Overlap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", a=0)
        replace = BaseSQLSpecStore.replace
        attempts: list[bytes | None] = []

        async def too_late(store: Any, key: str, value: Any, *arguments: Any, **options: Any) -> bool:
            """Somebody else is always faster."""
            attempts.append(options["expected"])
            await store.set(key, b'{"a":%d}' % len(attempts), expires_in=100)
            return await replace(store, key, value, *arguments, **options)

        monkeypatch.setattr(BaseSQLSpecStore, "replace", too_late)
        monkeypatch.setattr(conflicts, "MAX_MERGES", 3)
        assert (await ada.post("/write", json={"b": 1})).status_code == 500
        assert [type(error) for error in site.errors] == [ConflictError]
        site.errors.clear()
        assert len(attempts) == 3
        assert None not in attempts
        assert await ada.read() == {"a": 3}


@pytest.mark.formats("bytes")
async def test_by_default_the_last_session_counts(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap) as site:
        ada = site.browser()
        await ada.do("/write", a=1, b=1)
        async with overlap.around(ada, "/slow/write", b=2):
            await ada.do("/write", a=3)
        assert await ada.read() == {"a": 1, "b": 2}


@pytest.mark.formats("bytes")
async def test_a_read_overwrites_nothing(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with overlap.around(ada, "/slow/read"):
            await ada.do("/write", a=3)
        assert await ada.read() == {"a": 3}


@pytest.mark.formats("bytes")
@pytest.mark.parametrize("on_conflict", ["overwrite", "merge"])
@pytest.mark.parametrize("path", ["/slow/write", "/slow/read", "/slow/rotate"])
@pytest.mark.parametrize("end", ["/logout", "/logout-everywhere"])
async def test_a_session_that_ended_meanwhile_stays_ended(
    plugin: SQLStoresPlugin, overlap: Overlap, on_conflict: str, path: str, end: str
) -> None:
    async with serve_slowly(plugin, overlap, on_conflict=on_conflict) as site:
        ada = site.browser()
        await ada.do("/write", user="Ada", a=1)
        old = ada.session_id
        async with overlap.around(ada, path, b=2) as responses:
            await ada.do(end)
        store: Any = site.store()
        await store.delete_expired()
        assert await site.rows() == []
        assert await site.browser(old).read() == {}
        new = set_cookies(responses[0]).get("session")
        assert new is None or await site.browser(new.value).read() == {}


@pytest.mark.formats("bytes")
@pytest.mark.parametrize("on_conflict", ["overwrite", "merge"])
async def test_what_overlaps_a_log_in_logs_nobody_out(
    plugin: SQLStoresPlugin, overlap: Overlap, on_conflict: str
) -> None:
    """The answer of the other request must not replace or remove the cookie with the new id."""
    async with serve_slowly(plugin, overlap, on_conflict=on_conflict) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        old = ada.session_id
        async with overlap.around(ada, "/slow/write", b=2) as responses:
            await ada.do("/rotate", user="Ada")
        assert not set_cookies(responses[0])
        assert (await ada.read())["user"] == "Ada"
        assert await site.browser(old).read() == {}


async def test_a_log_in_takes_along_what_changed_meanwhile(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap, on_conflict="merge") as site:
        ada = site.browser()
        await ada.do("/write", basket=["tea"])
        old = ada.session_id
        async with overlap.around(ada, "/slow/rotate", user="Ada") as responses:
            await ada.do("/write", basket=["tea", "milk"])
        new = site.browser(set_cookies(responses[0])["session"].value)
        assert await new.read() == {"basket": ["tea", "milk"], "user": "Ada"}
        assert await site.browser(old).read() == {}


@pytest.mark.formats("bytes")
async def test_one_of_two_log_ins_at_once_wins(plugin: SQLStoresPlugin, overlap: Overlap) -> None:
    async with serve_slowly(plugin, overlap) as site:
        ada = site.browser()
        await ada.do("/write", a=1)
        async with overlap.around(ada, "/slow/rotate", user="Ada") as responses:
            await ada.do("/rotate", user="Grace")
        assert not set_cookies(responses[0])
        assert await ada.read() == {"a": 1, "user": "Grace"}
        assert len([row for row in await site.rows("owner") if row["owner"]]) == 1
