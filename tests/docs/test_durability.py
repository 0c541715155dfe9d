"""The Python in docs/durability.md, run as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.documents import shows

if TYPE_CHECKING:
    from types import ModuleType


@shows("docs/durability.md", "Durability")
def test_the_plugin_takes_durabilities_by_the_names_of_its_stores(app: ModuleType) -> None:
    store = app.plugin.store
    assert store.durability == store.with_namespace("sessions").durability == "full"
    assert store.with_namespace("response_cache").durability == "relaxed"
    assert store.with_namespace("rate_limit").durability == "relaxed"
