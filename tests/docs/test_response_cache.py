"""docs/response-cache.md, run as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.testing import TestClient

from tests.docs.documents import shows

if TYPE_CHECKING:
    from types import ModuleType


@shows("docs/response-cache.md", "Removing pages from the response cache")
def test_a_change_removes_the_pages_of_the_product_and_no_others(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        for number in (1, 7):
            browser.get(f"/products/{number}")
            browser.get(f"/products/{number}?page=2")
        assert [browser.post("/products/7").json() for _ in range(2)] == [2, 0]
        assert browser.post("/products/1").json() == 2
