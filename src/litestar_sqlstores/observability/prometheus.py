"""Metrics for Prometheus, through prometheus_client: where Litestar's own instrumentation has its metrics."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from litestar_sqlstores.observability import Observer, Statement

__all__ = ("PrometheusObserver",)

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class PrometheusObserver(Observer):
    """Counts in metrics of prometheus_client. One of them may serve several stores.

    Args:
        registry: Where the metrics are; by default where Litestar's ``PrometheusController`` shows them.
        prefix: What the names of the metrics start with.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, prefix: str = "litestar_sqlstores") -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{prefix}_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"{prefix}_{name}", text, labels, registry=registry, buckets=buckets)

        self._calls = counter("calls", "Calls answered.", "operation")
        self._outcomes = {
            "gets": counter("gets", "Values asked for: hit, miss.", "result"),
            "sets": counter("sets", "Values set: written, skipped as unchanged.", "result"),
            "renewals": counter("renewals", "Renewals of what was found: written, skipped as not due.", "result"),
        }
        self._retries = counter("retries", "Statements tried again.", "operation", "reason")
        self._failures = counter("failures", "Calls failed.", "error")
        self._removed = counter("cleanup_removed", "Expired rows removed.")
        self._cleanup = histogram("cleanup_seconds", "How long a cleanup took.", SECONDS)
        self._batches = histogram("batch_size", "Calls in a statement.", BATCH_SIZES, "operation")
        self._queued = histogram("queue_seconds", "Longest wait of a call in a statement.", SECONDS, "operation")
        self._seconds = histogram("statement_seconds", "How long a statement took.", SECONDS, "operation")

    def statement(self, statement: Statement) -> None:
        """Count a statement and its calls."""
        operation = statement.operation
        self._calls.labels(operation).inc(statement.calls)
        self._batches.labels(operation).observe(statement.calls)
        self._queued.labels(operation).observe(statement.queued)
        self._seconds.labels(operation).observe(statement.seconds)
        for asked, result, count in statement.outcomes():
            self._outcomes[asked].labels(result).inc(count)

    def retry(self, operation: str, reason: str) -> None:
        """Count a statement that is tried again."""
        self._retries.labels(operation, reason).inc()

    def failure(self, error: str, calls: int) -> None:
        """Count calls that failed."""
        self._failures.labels(error).inc(calls)

    def cleanup(self, removed: int, seconds: float) -> None:
        """Count a cleanup."""
        self._removed.inc(removed)
        self._cleanup.observe(seconds)
