"""SQLRateLimitConfig: a drop-in for Litestar's config whose limit is exact."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from litestar import get
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.types import ASGIApp

from litestar_sqlstores import SQLRateLimitConfig, SQLSessionConfig, errors
from litestar_sqlstores.store import BaseSQLSpecStore, availability
from tests.contract.helpers import about
from tests.wiring.helpers import AnyRequest, new_plugin, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx import Response

    from litestar_sqlstores import SQLStoresPlugin
    from tests.backends import Database
    from tests.wiring.helpers import Site

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes"), pytest.mark.formats("bytes")]


@get("/")
async def limited() -> None:
    return


@get("/unlimited", unlimited=True)
async def unlimited() -> None:
    return


@get("/excluded/page")
async def excluded() -> None:
    return


def client_header(request: AnyRequest) -> str:
    return request.headers.get("x-client", "unknown")


@asynccontextmanager
async def serve_limited(plugin: SQLStoresPlugin, *configs: RateLimitConfig) -> AsyncIterator[Site]:
    handlers = [limited, unlimited, excluded]
    async with serve(plugin, handlers, middleware=[config.middleware for config in configs]) as site:
        yield site
        assert site.errors == []


async def visit(site: Site, client: str = "ada", path: str = "/") -> Response:
    return await site.browser().get(path, headers={"x-client": client})


def limits(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if "limit" in name}


@pytest.mark.formats("json")
async def test_so_many_get_through(plugin: SQLStoresPlugin) -> None:
    async with serve_limited(plugin, SQLRateLimitConfig(("minute", 3), identifier_for_request=client_header)) as site:
        assert [(await visit(site)).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        assert (await visit(site, "grace")).status_code == 200


async def test_the_limit_is_exact_for_concurrent_calls_of_all_workers(database: Database, data_format: str) -> None:
    async with (
        serve_limited(new_plugin(database, data_format), SQLRateLimitConfig(("day", 50))) as one,
        serve_limited(new_plugin(database, data_format), SQLRateLimitConfig(("day", 50))) as other,
    ):
        responses = await asyncio.gather(*(visit(site) for site in [one, other] * 40))
        assert sorted(response.status_code for response in responses) == [200] * 50 + [429] * 30


async def test_the_headers_are_litestars(database: Database, data_format: str) -> None:
    """The same as of its own config, for calls that get through and for those that do not."""

    async def three_calls(config: RateLimitConfig) -> list[Response]:
        async with serve_limited(new_plugin(database, data_format), config) as site:
            return [await visit(site) for _ in range(3)]

    ours = await three_calls(SQLRateLimitConfig(("hour", 2)))
    for response, other in zip(ours, await three_calls(RateLimitConfig(("hour", 2))), strict=True):
        assert response.status_code == other.status_code
        assert response.content == other.content
        found, expected = limits(response), limits(other)
        assert int(found.pop("ratelimit-reset")) == pytest.approx(int(expected.pop("ratelimit-reset")), abs=5)
        assert found == expected
    assert [response.headers["ratelimit-remaining"] for response in ours] == ["1", "0", "0"]
    assert ours[2].status_code == 429


async def test_headers_can_be_renamed_and_left_out(database: Database, data_format: str) -> None:
    names: Any = {
        f"rate_limit_{name}_header_key": f"X-Limit-{name}" for name in ("policy", "remaining", "reset", "limit")
    }
    async with serve_limited(new_plugin(database, data_format), SQLRateLimitConfig(("day", 1), **names)) as site:
        for response in (await visit(site), await visit(site)):
            assert {name for name in response.headers if "limit" in name} == {name.lower() for name in names.values()}
    config = SQLRateLimitConfig(("day", 1), set_rate_limit_headers=False)
    async with serve_limited(new_plugin(database, data_format), config) as site:
        response = await visit(site)
        assert response.status_code == 429
        assert not limits(response)


async def test_what_is_not_limited(plugin: SQLStoresPlugin, calls: list[str]) -> None:
    config = SQLRateLimitConfig(
        ("day", 1),
        exclude=["^/excluded"],
        exclude_opt_key="unlimited",
        check_throttle_handler=lambda request: request.headers.get("x-client") != "admin",
    )
    async with serve_limited(plugin, config) as site:
        calls.clear()
        for client, path in (("ada", "/unlimited"), ("ada", "/excluded/page"), ("admin", "/")):
            for _ in range(3):
                response = await visit(site, client, path)
                assert response.status_code == 200
                assert not limits(response)
        assert calls == []
        assert [(await visit(site)).status_code for _ in range(2)] == [200, 429]


async def test_whether_to_count_can_be_found_out_asynchronously(plugin: SQLStoresPlugin) -> None:
    async def check(request: AnyRequest) -> bool:
        await asyncio.sleep(0)
        return request.headers["x-client"] == "ada"

    async with serve_limited(plugin, SQLRateLimitConfig(("day", 1), check_throttle_handler=check)) as site:
        assert [(await visit(site, client)).status_code for client in ("ada", "grace", "grace", "ada")] == [
            *(200, 200, 200, 429)
        ]


async def test_limits_that_differ_count_for_themselves(plugin: SQLStoresPlugin) -> None:
    a_minute, a_day = SQLRateLimitConfig(("minute", 1)), SQLRateLimitConfig(("day", 3))
    async with serve_limited(plugin, a_day, a_minute) as site:
        store = site.store("rate_limit")
        statuses = []
        for _ in range(3):
            statuses += [(await visit(site)).status_code for _ in range(2)]
            await store.delete("1/minute::127.0.0.1")
        assert statuses == [200, 429, 200, 429, 429, 429]
        assert await store.expires_in("3/day::127.0.0.1") == about(24 * 60 * 60, within=60)


async def test_a_window_begins_with_the_first_call(plugin: SQLStoresPlugin) -> None:
    async with serve_limited(plugin, SQLRateLimitConfig(("minute", 2))) as site:
        key, store = "2/minute::127.0.0.1", site.store("rate_limit")
        await visit(site)
        assert await store.expires_in(key) == about(60, within=25)
        await store.renew(key, 30)
        for status in (200, 429, 429):
            response = await visit(site)
            assert response.status_code == status
            assert int(response.headers["ratelimit-reset"]) - 1 == about(30, within=25)
            assert await store.expires_in(key) == about(30, within=25)


async def test_a_window_ends_in_time(plugin: SQLStoresPlugin) -> None:
    async with serve_limited(plugin, SQLRateLimitConfig(("second", 1))) as site:
        refused = await visit(site)
        while refused.status_code != 429:  # a second may end between two calls
            refused = await visit(site)
        # Who waits as long as the header says gets through.
        await asyncio.sleep(int(refused.headers["ratelimit-reset"]))
        assert (await visit(site)).status_code == 200


async def test_a_number_in_the_way_is_an_error(plugin: SQLStoresPlugin) -> None:
    async with serve(plugin, [limited], middleware=[SQLRateLimitConfig(("day", 1)).middleware]) as site:
        await site.store("rate_limit").set("1/day::127.0.0.1", b"[]")
        assert (await visit(site)).status_code == 500
        assert len(site.errors) == 1


async def test_beside_sessions(plugin: SQLStoresPlugin) -> None:
    """A call that is refused stores no session, and one that gets through keeps its own."""

    @get("/count")
    async def count(request: AnyRequest) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return int(request.session["count"])

    limit = SQLRateLimitConfig(("day", 2))
    async with serve(plugin, [count], SQLSessionConfig(), middleware=[limit.middleware]) as site:
        ada = site.browser()
        assert [await ada.read("/count") for _ in range(2)] == [1, 2]
        assert (await ada.get("/count")).status_code == 429
        assert (await site.browser().get("/count")).status_code == 429
        assert len(await site.rows()) == 2


async def test_who_calls_can_be_found_out_asynchronously(plugin: SQLStoresPlugin) -> None:
    async def client(request: AnyRequest) -> str:
        await asyncio.sleep(0)
        return client_header(request)

    async with serve_limited(plugin, SQLRateLimitConfig(("day", 2), identifier_for_request=client)) as site:
        found = [(await visit(site, name)).status_code for name in ("ada", "grace", "ada", "ada", "grace", "grace")]
        assert found == [200, 200, 200, 429, 200, 429]


def two_layers(outer: SQLRateLimitConfig, inner: SQLRateLimitConfig) -> tuple[Any, list[SQLRateLimitConfig]]:
    @get("/", middleware=[inner.middleware])
    async def page() -> None:
        return

    return page, [outer]


@pytest.mark.parametrize("name", ["", "mine"])
async def test_a_limit_on_two_layers_counts_a_call_once(plugin: SQLStoresPlugin, calls: list[str], name: str) -> None:
    page, outer = two_layers(SQLRateLimitConfig(("day", 3), name=name), SQLRateLimitConfig(("day", 3), name=name))
    async with serve(plugin, [page], middleware=[config.middleware for config in outer]) as site:
        calls.clear()
        responses = [await visit(site) for _ in range(4)]
        assert [response.status_code for response in responses] == [200, 200, 200, 429]
        assert [response.headers["ratelimit-remaining"] for response in responses] == ["2", "1", "0", "0"]
        assert sorted(calls) == ["increment"] * 4 + ["remaining"] * 4


async def test_limits_of_different_names_or_for_different_clients_count_each(plugin: SQLStoresPlugin) -> None:
    for inner in (
        SQLRateLimitConfig(("day", 3), name="other"),
        SQLRateLimitConfig(("day", 3), identifier_for_request=client_header),
    ):
        page, outer = two_layers(SQLRateLimitConfig(("day", 3)), inner)
        async with serve(plugin, [page], middleware=[config.middleware for config in outer]) as site:
            await visit(site)
            assert len(await site.rows()) == 2
            await site.store("rate_limit").delete_all()


async def test_no_client_can_count_in_the_window_of_another_limit(plugin: SQLStoresPlugin) -> None:
    first = SQLRateLimitConfig(("day", 3), name="a", identifier_for_request=lambda _: "b::c")
    second = SQLRateLimitConfig(("day", 3), name="a b", identifier_for_request=lambda _: ":c")
    async with serve_limited(plugin, first, second) as site:
        await visit(site)
        assert len(await site.rows()) == 2


async def test_who_is_refused_is_told_how_long_to_wait(
    plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the database's clock, wherever the application's is.
    for now in (0.0, 4e9):
        monkeypatch.setattr("time.time", lambda now=now: now)
        config = SQLRateLimitConfig(("minute", 1), set_rate_limit_headers=False)
        async with serve_limited(plugin, config, SQLRateLimitConfig(("hour", 100))) as site:
            first, refused = [await visit(site) for _ in range(2)]
            assert 0 < int(first.headers["ratelimit-reset"]) <= 3600
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= 60
            await site.store("rate_limit").delete_all()


async def test_headers_that_responses_share_stay_as_they_are(plugin: SQLStoresPlugin) -> None:
    shared = [(b"ratelimit-limit", b"mine"), (b"x-other", b"1")]

    @get("/")
    async def page() -> ASGIApp:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": shared})
            await send({"type": "http.response.body", "body": b""})

        return answer

    async with serve(plugin, [page], middleware=[SQLRateLimitConfig(("day", 3)).middleware]) as site:
        response = await visit(site)
        assert response.headers.get_list("ratelimit-limit") == ["3"]
        assert response.headers["x-other"] == "1"
        assert shared == [(b"ratelimit-limit", b"mine"), (b"x-other", b"1")]


class Away:
    """Has the counting fail as long as there is an error to fail with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Exception | float | None = errors.UnavailableError("away")
        self.calls = 0
        increment = BaseSQLSpecStore.increment

        async def failing(store: Any, *args: Any, **options: Any) -> int:
            self.calls += 1
            if isinstance(self.error, Exception):
                raise self.error
            await asyncio.sleep(self.error or 0)
            return await increment(store, *args, **options)

        monkeypatch.setattr(BaseSQLSpecStore, "increment", failing)


async def test_nobody_gets_through_while_the_database_is_away(
    plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Away(monkeypatch)
    async with serve_limited(plugin, SQLRateLimitConfig(("day", 2))) as site:
        for error in (errors.UnavailableError("1"), errors.StoreTimeoutError("2"), errors.MissingTableError("3")):
            away.error = error
            response = await visit(site)
            assert (response.status_code, response.headers["retry-after"]) == (503, "2")
        away.error = None
        assert [(await visit(site)).status_code for _ in range(3)] == [200, 200, 429]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the database of the rate limit '2/day' fails; meanwhile requests are refused: UnavailableError: 1",
        "the database of the rate limit '2/day' works again",
    ]


async def test_all_may_get_through_while_the_database_is_away(
    plugin: SQLStoresPlugin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away, now = Away(monkeypatch), 1000.0
    monkeypatch.setattr(availability, "clock", lambda: now)
    async with serve_limited(plugin, SQLRateLimitConfig(("day", 2), on_unavailable="allow")) as site:
        for error in (errors.UnavailableError("away"), 30.0):
            away.error, away.calls = error, 0
            responses = [await visit(site) for _ in range(4)]
            assert [response.status_code for response in responses] == [200] * 4
            assert not any(limits(response) for response in responses)
            # One has tried.
            assert away.calls == 1
            now += availability.PAUSE
        away.error = None
        assert [(await visit(site)).status_code for _ in range(3)] == [200, 200, 429]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"rate_limit": ("fortnight", 1)},
        {"rate_limit": ("day", 0)},
        {"rate_limit": ("day", "1")},
        {"on_unavailable": "maybe"},
        {"name": "a:b"},
        {"name": 1},
    ],
)
async def test_settings_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    options = {"rate_limit": ("day", 1), **options}
    with pytest.raises(errors.ConfigurationError, match=r"must be"):
        SQLRateLimitConfig(**options)
