from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import OverloadedError, StoreTimeoutError
from litestar_sqlstores.observability import Observer, Observers, Statement
from litestar_sqlstores.observability.logs import LoggingObserver
from litestar_sqlstores.observability.opentelemetry import OpenTelemetryObserver
from litestar_sqlstores.observability.prometheus import PrometheusObserver
from tests.totals import Totals
from tests.unit.fake_database import FakeDatabase
from tests.unit.loops import in_virtual_time, settle

A, B, C = b"a", b"b", b"c"


# -- what the coalescer tells


@in_virtual_time
async def test_each_call_is_in_one_statement_with_its_wait(database: FakeDatabase) -> None:
    totals = Totals()
    coalescer = database.coalescer(max_lanes=1, observer=totals)
    database.hold()
    first = coalescer.submit(database.get, A)
    statement = await database.next_statement()
    others = [coalescer.submit(database.set, key, 1) for key in (A, B, B)]
    await asyncio.sleep(2)
    statement.finish()
    statement = await database.next_statement()
    await asyncio.sleep(3)
    statement.finish()
    assert await first is None
    await asyncio.gather(*others)
    read, write = totals.statements
    assert (read.operation, read.calls, read.found, read.written) == ("get", 1, 0, None)
    assert (read.queued, read.seconds) == pytest.approx((0, 2), abs=0.01)
    assert (write.operation, write.calls, write.found, write.written) == ("set", 3, 0, None)
    assert (write.queued, write.seconds) == pytest.approx((2, 3), abs=0.01)


@in_virtual_time
async def test_what_is_tried_again_is_counted_once_it_succeeds(database: FakeDatabase) -> None:
    totals = Totals()
    coalescer = database.coalescer(observer=totals)
    database.fail_once(Failure.CONFLICT, Failure.BUSY, Failure.NOT_SENT, Failure.DISCONNECTED)
    await coalescer.submit(database.touch, A)
    assert totals.calls == {"touch": 1}
    reasons = ("conflict", "busy", "not_sent", "disconnected")
    assert totals.counts == {f"retries touch {reason}": 1 for reason in reasons}


@in_virtual_time
async def test_calls_that_fail_are_counted_by_error_and_the_others_as_answered(database: FakeDatabase) -> None:
    totals = Totals()
    coalescer = database.coalescer(max_lanes=1, max_pending=3, timeout=5, observer=totals)
    database.refuse_keys(B)
    calls = [coalescer.submit(database.set, key, 1) for key in (A, B, C)]
    with pytest.raises(OverloadedError):
        await coalescer.submit(database.set, A, 1)
    await asyncio.gather(*calls, return_exceptions=True)
    assert totals.calls == {"set": 2}
    assert totals.counts == {"failures OverloadedError": 1, "failures InvalidValueError": 1, "sets skipped": 2}
    database.hold()
    late = [coalescer.submit(database.get, key) for key in (A, B)]
    answers = await asyncio.gather(*late, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreTimeoutError] * 2
    assert totals.counts["failures StoreTimeoutError"] == 2
    assert totals.calls == {"set": 2}
    await settle()


# -- observers


class Broken(Observer):
    def statement(self, statement: Statement) -> None:
        raise RuntimeError

    def retry(self, operation: str, reason: str) -> None:
        raise RuntimeError

    def failure(self, error: str, calls: int) -> None:
        raise RuntimeError

    def cleanup(self, removed: int, seconds: float) -> None:
        raise RuntimeError


def tell_everything(observer: Observer) -> None:
    observer.statement(Statement("get", 5, 3, None, 0.25, 0.5))
    observer.statement(Statement("get_and_renew", 4, 3, 1, 0.25, 0.5))
    observer.statement(Statement("renew", 2, 1, 1, 0.25, 0.5))
    observer.statement(Statement("set", 6, 0, 4, 0.25, 0.5))
    observer.statement(Statement("set_keeping_ttl", 1, 0, 0, 0.25, 0.5))
    observer.retry("set", "conflict")
    observer.failure("StoreTimeoutError", 7)
    observer.cleanup(8, 2.5)


EXPECTED = {
    ("calls", "get"): 5,
    ("calls", "get_and_renew"): 4,
    ("calls", "renew"): 2,
    ("calls", "set"): 6,
    ("calls", "set_keeping_ttl"): 1,
    ("gets", "hit"): 6,
    ("gets", "miss"): 3,
    ("sets", "written"): 4,
    ("sets", "skipped"): 3,
    ("renewals", "written"): 2,
    ("renewals", "skipped"): 2,
    ("retries", "set conflict"): 1,
    ("failures", "StoreTimeoutError"): 7,
    ("cleanup_removed", ""): 8,
}
HISTOGRAMS = {
    "batch_size": (5, 18),
    "queue_seconds": (5, 1.25),
    "statement_seconds": (5, 2.5),
    "cleanup_seconds": (1, 2.5),
}


def test_an_observer_that_does_nothing_may_be_told_everything() -> None:
    tell_everything(Observer())


def test_what_an_observer_raises_is_logged_and_the_next_one_told(caplog: pytest.LogCaptureFixture) -> None:
    totals = Totals()
    tell_everything(Observers(Broken(), totals))
    assert totals.calls.total() == 18
    assert totals.counts["removed"] == 8
    assert {record.getMessage() for record in caplog.records} == {
        f"Broken.{event} failed" for event in ("statement", "retry", "failure", "cleanup")
    }


def test_prometheus_has_the_counts() -> None:
    registry = CollectorRegistry()
    tell_everything(PrometheusObserver(registry))
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    prefix = "litestar_sqlstores_"
    assert all(sample.name.startswith(prefix) for sample in samples)
    assert {
        (sample.name.removeprefix(prefix).removesuffix("_total"), " ".join(sample.labels.values())): sample.value
        for sample in samples
        if sample.name.endswith("_total")
    } == EXPECTED
    for name, (count, total) in HISTOGRAMS.items():
        for suffix, expected in (("count", count), ("sum", total)):
            found = [sample.value for sample in samples if sample.name == f"{prefix}{name}_{suffix}"]
            assert sum(found) == expected, name


def test_opentelemetry_has_the_counts() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    tell_everything(OpenTelemetryObserver(provider))
    data: Any = reader.get_metrics_data()
    [scope] = data.resource_metrics[0].scope_metrics
    assert scope.scope.name == "litestar_sqlstores"
    counts: dict[tuple[str, str], float] = {}
    histograms: dict[str, tuple[int, float]] = {}
    for metric in scope.metrics:
        name = metric.name.removeprefix("litestar_sqlstores.").replace(".", "_").replace("duration", "seconds")
        for point in metric.data.data_points:
            if hasattr(point, "value"):
                counts[name, " ".join(point.attributes.values())] = point.value
            else:
                count, total = histograms.get(name, (0, 0))
                histograms[name] = (count + point.count, total + point.sum)
    assert counts == EXPECTED
    assert histograms == HISTOGRAMS
    provider.shutdown()


def test_logs_are_structured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "litestar_sqlstores")
    tell_everything(LoggingObserver(slow=0.75))
    tell_everything(LoggingObserver(slow=0.76))
    messages = [(record.levelname, record.getMessage()) for record in caplog.records]
    slow = ("WARNING", "slow set: 6 calls, 0.250 s in the queue, 0.500 s in the database")
    assert messages.count(slow) == 1
    assert len(messages) == 5 + 2 * 2
    assert messages[-2:] == [
        ("DEBUG", "set is tried again: conflict"),
        ("WARNING", "7 calls failed: StoreTimeoutError"),
    ]
    [first, *_] = caplog.records
    assert (vars(first)["event"], vars(first)["operation"], vars(first)["calls"]) == ("slow_statement", "get", 5)
