"""The README's Python, run as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.testing import TestClient

from tests.docs.documents import shows

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@shows("README.md", "Quickstart")
def test_quickstart_counts_visits_also_after_a_restart(
    app: ModuleType, start: Callable[[str, str], ModuleType]
) -> None:
    with TestClient(app.app) as browser:
        assert [browser.get("/").json()["visits"] for _ in range(3)] == [1, 2, 3]
        cookies = browser.cookies
    with TestClient(start("README.md", "Quickstart").app, cookies=cookies) as browser:
        assert browser.get("/").json()["visits"] == 4


@shows("README.md", "Sessions, response cache and rate limits from one table")
def test_one_table_serves_all_and_clearing_the_cache_logs_nobody_out(app: ModuleType) -> None:
    stores = app.app.stores

    async def namespaces() -> set[str]:
        async with stores.get("sessions").config.provide_connection() as connection:
            rows = await connection.execute_fetchall("SELECT DISTINCT namespace FROM litestar_session")
        return {row[0] for row in rows}

    with TestClient(app.app) as browser, browser.portal() as portal:
        first = browser.get("/")
        assert first.headers["RateLimit-Remaining"] == "99"
        assert browser.get("/").text == first.text
        assert not browser.cookies
        assert browser.post("/log-in").status_code == 201
        everything = {"LITESTAR_sessions", "LITESTAR_response_cache", "LITESTAR_rate_limit"}
        assert portal.call(namespaces) == everything
        portal.call(stores.get("response_cache").delete_all)
        assert portal.call(namespaces) == everything - {"LITESTAR_response_cache"}


@shows("README.md", "Using a store directly")
def test_direct_use_runs(app: ModuleType) -> None:
    assert app.main is not None
