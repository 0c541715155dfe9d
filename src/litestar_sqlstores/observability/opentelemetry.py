"""Metrics for OpenTelemetry, through its API; what collects and exports them is the application's choice."""

from __future__ import annotations

from opentelemetry.metrics import Counter, Histogram, MeterProvider, get_meter_provider

from litestar_sqlstores.observability import Observer, Statement

__all__ = ("OpenTelemetryObserver",)


class OpenTelemetryObserver(Observer):
    """Counts in instruments of OpenTelemetry. One of them may serve several stores.

    Args:
        meter_provider: Whose instruments they are; by default the global one.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = (meter_provider or get_meter_provider()).get_meter("litestar_sqlstores")

        def counter(name: str, unit: str, text: str) -> Counter:
            return meter.create_counter(f"litestar_sqlstores.{name}", unit, text)

        def histogram(name: str, unit: str, text: str) -> Histogram:
            return meter.create_histogram(f"litestar_sqlstores.{name}", unit, text)

        self._calls = counter("calls", "{call}", "Calls answered.")
        self._outcomes = {
            "gets": counter("gets", "{call}", "Values asked for: hit, miss."),
            "sets": counter("sets", "{call}", "Values set: written, skipped as unchanged."),
            "renewals": counter("renewals", "{call}", "Renewals of what was found: written, skipped as not due."),
        }
        self._retries = counter("retries", "{statement}", "Statements tried again.")
        self._failures = counter("failures", "{call}", "Calls failed.")
        self._removed = counter("cleanup.removed", "{row}", "Expired rows removed.")
        self._cleanup = histogram("cleanup.duration", "s", "How long a cleanup took.")
        self._batches = histogram("batch.size", "{call}", "Calls in a statement.")
        self._queued = histogram("queue.duration", "s", "Longest wait of a call in a statement.")
        self._seconds = histogram("statement.duration", "s", "How long a statement took.")

    def statement(self, statement: Statement) -> None:
        """Count a statement and its calls."""
        operation = {"operation": statement.operation}
        self._calls.add(statement.calls, operation)
        self._batches.record(statement.calls, operation)
        self._queued.record(statement.queued, operation)
        self._seconds.record(statement.seconds, operation)
        for asked, result, count in statement.outcomes():
            self._outcomes[asked].add(count, {"result": result})

    def retry(self, operation: str, reason: str) -> None:
        """Count a statement that is tried again."""
        self._retries.add(1, {"operation": operation, "reason": reason})

    def failure(self, error: str, calls: int) -> None:
        """Count calls that failed."""
        self._failures.add(calls, {"error": error})

    def cleanup(self, removed: int, seconds: float) -> None:
        """Count a cleanup."""
        self._removed.add(removed)
        self._cleanup.record(seconds)
