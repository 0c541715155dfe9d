"""A cache may fail; a page may not."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Request, get
from litestar.params import FromPath

from litestar_sqlstores import errors
from litestar_sqlstores.store import BaseSQLSpecStore, availability
from tests.wiring.helpers import new_plugin, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar_sqlstores import SQLStoresPlugin
    from tests.backends import Database

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]


class Fault:
    """What the calls of stores meet, from now on."""

    def __init__(self) -> None:
        self.get: BaseException | float | None = None
        self.set: BaseException | float | None = None
        self.calls = 0
        self.called = asyncio.Event()

    async def meet(self, what: BaseException | float | None) -> None:
        self.calls += 1
        self.called.set()
        if isinstance(what, BaseException):
            raise what
        if what is not None:
            await asyncio.sleep(what)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    fault, get_, set_ = Fault(), BaseSQLSpecStore.get, BaseSQLSpecStore.set

    async def failing_get(self: Any, *args: Any, **options: Any) -> Any:
        await fault.meet(fault.get)
        return await get_(self, *args, **options)

    async def failing_set(self: Any, *args: Any, **options: Any) -> Any:
        await fault.meet(fault.set)
        return await set_(self, *args, **options)

    monkeypatch.setattr(BaseSQLSpecStore, "get", failing_get)
    monkeypatch.setattr(BaseSQLSpecStore, "set", failing_set)
    return fault


def page() -> Any:
    calls = itertools.count(1)

    @get("/page/{number:int}", cache=100)
    async def numbered(number: FromPath[int]) -> int:
        return next(calls)

    return numbered


AWAY: list[Callable[[], BaseException | float]] = [
    lambda: errors.UnavailableError("away"),
    lambda: errors.StoreTimeoutError("slow"),
    lambda: errors.OverloadedError("busy"),
    lambda: errors.MissingTableError("no table"),
    lambda: errors.DatabaseError("full"),
    lambda: RuntimeError("a bug"),
    lambda: 30.0,
]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("what", ["get", "set"])
@pytest.mark.parametrize("make", AWAY)
async def test_pages_come_without_a_cache_that_is_away(
    plugin: SQLStoresPlugin,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
    what: str,
    make: Callable[[], BaseException | float],
) -> None:
    async with serve(plugin, [page()]) as site:
        browser = site.browser()
        setattr(fault, what, make())
        assert [await browser.read("/page/1") for _ in range(5)] == [1, 2, 3, 4, 5]
        assert len(lines(caplog)) == 1
        assert "response cache 'LITESTAR_response_cache'" in lines(caplog)[0]
        assert site.errors == []


async def test_a_cache_that_is_away_is_left_alone_for_a_while(
    plugin: SQLStoresPlugin, fault: Fault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(availability, "clock", lambda: now)
    async with serve(plugin, [page()]) as site:
        browser = site.browser()
        fault.get = fault.set = errors.UnavailableError("away")
        for number in range(10):
            await browser.read(f"/page/{number}")
        assert fault.calls == 2
        now += availability.PAUSE
        for number in range(10):
            await browser.read(f"/page/{number}")
        assert fault.calls == 4
        now += availability.PAUSE
        fault.get = fault.set = None
        first = await browser.read("/page/1")
        assert await browser.read("/page/1") == first
        assert [line.rpartition(" ")[2] for line in lines(caplog)] == ["away", "away", "again", "again"]


async def test_a_client_that_goes_away_does_not_count_as_an_outage(
    plugin: SQLStoresPlugin, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(plugin, [page()]) as site:
        fault.get = 30.0
        request = asyncio.create_task(site.browser().get("/page/1"))
        await fault.called.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        fault.get = None
        assert [await site.browser().read("/page/1") for _ in range(2)] == [1, 1]
        assert lines(caplog) == []


async def test_what_is_too_large_is_delivered(
    database: Database, data_format: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = itertools.count(1)

    @get("/large/{size:int}", cache=100)
    async def large(size: FromPath[int]) -> str:
        return f"{next(calls)}".ljust(size)

    # The second fits by itself, but not with its headers.
    async with serve(new_plugin(database, data_format, max_value_bytes=1000), [large]) as site:
        for size in (5000, 990):
            found = [(await site.browser().get(f"/large/{size}")).text.strip() for _ in range(2)]
            assert len(set(found)) == 2
        assert lines(caplog) == [
            "a response of /large/{size} cannot be cached: " + line.partition(": ")[2] for line in lines(caplog)
        ]
        assert len(lines(caplog)) == 1


@pytest.mark.parametrize(
    "stored", [b"no page", b"", b"\x93\xa4page\x01", b"\xc1", b"\x91\xa4vary", b"\x92\xa4vary\x01"]
)
async def test_what_is_no_page_is_a_miss(
    plugin: SQLStoresPlugin, caplog: pytest.LogCaptureFixture, stored: bytes
) -> None:
    async with serve(plugin, [page()]) as site:
        store: Any = site.store("response_cache")
        key = "GET/page/1?\nhttp://test.local\n7.0"
        await store.set(key, stored)
        assert [await site.browser().read("/page/1") for _ in range(2)] == [1, 1]
        assert await store.get(key) != stored
        assert len(lines(caplog)) == 1


async def test_what_was_encrypted_with_another_key_is_a_miss(
    database: Database, data_format: str, caplog: pytest.LogCaptureFixture
) -> None:
    numbered = page()
    for key, call in ((b"1" * 32, 1), (b"2" * 32, 2)):
        async with serve(new_plugin(database, data_format, encryption_keys=[key.hex()]), [numbered]) as site:
            assert [await site.browser().read("/page/1") for _ in range(2)] == [call, call]
    assert len(lines(caplog)) == 1


async def test_an_error_of_the_store_in_a_handler_is_the_handlers(plugin: SQLStoresPlugin, fault: Fault) -> None:
    @get("/page", cache=100)
    async def failing(request: Request[Any, Any, Any]) -> None:
        fault.get = errors.UnavailableError("away")
        await request.app.stores.get("mine").get("key")

    async with serve(plugin, [failing]) as site:
        assert (await site.browser().get("/page")).status_code == 500
        assert [type(error) for error in site.errors] == [errors.UnavailableError]
