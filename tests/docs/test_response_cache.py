"""docs/response-cache.md, run as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar.testing import TestClient

from litestar_sqlstores import SQLSessionConfig
from tests.docs.documents import shows

if TYPE_CHECKING:
    from types import ModuleType

    from litestar import Litestar


@shows("docs/response-cache.md", "The response cache")
def test_pages_are_cached_and_baskets_are_not(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert [browser.get("/news").status_code for _ in range(2)] == [200, 200]
        assert [browser.get("/basket").json() for _ in range(2)] == [[], []]
        with browser.portal() as portal:
            assert portal.call(_cached, app.app) == {"GET/news"}


async def _cached(app: Litestar) -> set[str]:
    store = cast("Any", app.stores.get("response_cache"))
    keys = {name: f"{name}?\nhttp://testserver.local\n{len(name) - 3}.0" for name in ("GET/news", "GET/basket")}
    return {name for name, key in keys.items() if await store.exists(key)}


@shows("docs/response-cache.md", "What is stored")
def test_a_report_is_cached_for_who_is_logged_in(app: ModuleType) -> None:
    with TestClient(app.app, session_config=SQLSessionConfig()) as browser:
        assert browser.get("/report").status_code == 401
        browser.set_session_data({"user": "ada"})
        assert [browser.get("/report").status_code for _ in range(2)] == [200, 200]
        browser.cookies.clear()
        assert browser.get("/report").status_code == 401


@shows("docs/response-cache.md", "Remove pages")
def test_a_change_removes_the_pages_of_the_product_and_no_others(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        for number in (1, 7):
            browser.get(f"/products/{number}")
            browser.get(f"/products/{number}?page=2")
        assert [browser.post("/products/7").json() for _ in range(2)] == [2, 0]
        assert browser.post("/products/1").json() == 2
