"""Readable keys in an application: those of the response cache, and never those of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, get
from litestar.config.response_cache import ResponseCacheConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromPath
from litestar.stores.registry import StoreRegistry
from litestar.testing import TestClient
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin, create_store
from litestar_sqlstores.errors import ConfigurationError
from tests.backends import rows
from tests.wiring.helpers import AnyRequest, new_plugin, serve

if TYPE_CHECKING:
    from tests.backends import Database


@get("/pages/{number:int}", cache=100)
async def page(number: FromPath[int]) -> int:
    return number


@get("/visit")
async def visit(request: AnyRequest) -> None:
    request.session["visits"] = request.session.get("visits", 0) + 1


@pytest.mark.needs("processes")
@pytest.mark.formats("bytes")
async def test_keys_of_the_response_cache_are_kept_beside_sessions_whose_are_not(
    database: Database, data_format: str
) -> None:
    plugin = new_plugin(database, data_format, keep_keys=["response_cache"])
    options: Any = {"response_cache_config": ResponseCacheConfig()}
    async with serve(plugin, [page, visit], SQLSessionConfig(), **options) as site:
        browser = site.browser()
        for number in (1, 2, 20):
            await browser.read(f"/pages/{number}")
        assert (await browser.get("/visit")).status_code == 200
        texts: dict[str | None, str] = {
            row["key_text"]: row["namespace"] for row in await site.rows("key_text, namespace")
        }
        cached: dict[str | None, str] = dict.fromkeys(
            [f"GET/pages/{number}?\nhttp://test.local\n{7 + len(number)}.0" for number in ("1", "2", "20")],
            "LITESTAR_response_cache",
        )
        assert texts == {**cached, None: "LITESTAR_sessions"}
        assert await site.store("response_cache").invalidate(prefix="GET/pages/2?") == 1
        assert await site.store("response_cache").invalidate(prefix="GET/pages/2") == 1
        assert len(await site.rows()) == 2


async def test_the_config_may_name_the_stores() -> None:
    config = AiosqliteConfig(extension_config={"litestar_sqlstores": {"keep_keys": ["response_cache"]}})
    app = Litestar([], plugins=[SQLStoresPlugin(config)])
    kept: Any = app.stores.get("response_cache")
    plain: Any = app.stores.get("sessions")
    assert (kept.keeps_keys, plain.keeps_keys) == (True, False)


@pytest.mark.parametrize("options", [{"keep_keys": ["sessions"]}, {"keep_keys": ["cache", "sessions"]}])
def test_the_plugin_refuses_to_keep_keys_of_sessions(options: Any) -> None:
    with pytest.raises(ConfigurationError, match="'sessions', which are live session ids"):
        SQLStoresPlugin("sqlite://", **options)


@pytest.mark.parametrize("sessions", [SQLSessionConfig(store="mine"), ServerSideSessionConfig(store="mine")])
def test_sessions_under_another_name_are_refused_at_start_up(sessions: Any) -> None:
    plugin = SQLStoresPlugin("sqlite://", keep_keys=["mine"])
    app = Litestar([visit], plugins=[plugin], middleware=[sessions.middleware], openapi_config=None)
    with pytest.raises(ExceptionGroup) as error, TestClient(app):  # type: ignore[type-abstract,unused-ignore]
        pass
    assert "'LITESTAR_mine' keeps keys as text, but those of sessions are live" in str(error.value.exceptions[0])


def test_sessions_without_the_plugin_are_refused_before_they_store_anything() -> None:
    store = create_store("sqlite://", keep_keys=True)
    app = Litestar(
        [visit],
        stores=StoreRegistry({"sessions": store}),
        middleware=[SQLSessionConfig().middleware],
        on_startup=[store.create_table],
        openapi_config=None,
    )
    with TestClient(app) as browser, browser.portal() as portal:
        assert browser.get("/visit").status_code == 500
        assert portal.call(rows, store) == []


def test_with_the_plugin_true_names_no_store() -> None:
    with pytest.raises(ConfigurationError, match=r"keep_keys is True.*keep_keys=\['response_cache'\]"):
        Litestar([], plugins=[SQLStoresPlugin("sqlite://", keep_keys=True)])
