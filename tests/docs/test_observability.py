"""docs/observability.md, run as printed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from litestar.testing import TestClient
from prometheus_client import REGISTRY

from litestar_sqlstores import MissingTableError
from litestar_sqlstores.observability.opentelemetry import OpenTelemetryObserver
from tests.docs.documents import ROOT, shows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

DOCUMENT = "docs/observability.md"


@pytest.fixture(autouse=True)
def metrics_of_their_own() -> Iterator[None]:
    """Each example in a process of its own, as far as prometheus_client knows."""
    yield
    for collector in {*REGISTRY._names_to_collectors.values()}:
        if any(name.startswith("litestar_sqlstores") for name in REGISTRY._collector_to_names[collector]):
            REGISTRY.unregister(collector)


@shows(DOCUMENT, "Prometheus")
def test_metrics_are_beside_those_of_litestar(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        browser.get("/metrics", headers={"Cookie": f"session={'0' * 64}"})
        shown = browser.get("/metrics").text
    assert 'litestar_sqlstores_gets_total{result="miss"} 1.0' in shown
    assert "litestar_requests_total" in shown
    table = (ROOT / DOCUMENT).read_text()
    families = {line.split()[2] for line in shown.splitlines() if line.startswith("# TYPE litestar_sqlstores_")}
    for family in families - {name for name in families if name.endswith("_created")}:
        assert f"| `{family.removeprefix('litestar_sqlstores_')}` |" in table


@shows(DOCUMENT, "OpenTelemetry")
async def test_opentelemetry(app: ModuleType) -> None:
    async with app.store as store:
        await store.create_table()
        assert isinstance(store.settings.observer, OpenTelemetryObserver)


@shows(DOCUMENT, "Logs")
async def test_logs(app: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "litestar_sqlstores")
    async with app.store as store:
        with pytest.raises(MissingTableError):
            await store.get("key")
        await store.create_table()
        await store.delete_expired()
    errors = [vars(record)["error"] for record in caplog.records if getattr(record, "event", "") == "failure"]
    assert set(errors) == {"MissingTableError"}
    assert REGISTRY.get_sample_value("litestar_sqlstores_cleanup_seconds_count") == 1


@shows(DOCUMENT, "An observer of your own")
async def test_an_observer_of_ones_own(app: ModuleType) -> None:
    async with app.store as store:
        await store.create_table()
        await store.set("key", "value")
        await store.get_many(["key", "missing", "missing too"])
    assert app.hit_ratio.counts == {"hits": 1, "misses": 2}
