"""An observer for tests: it adds up what it is told."""

from __future__ import annotations

from collections import Counter

from litestar_sqlstores.observability import Observer, Statement

__all__ = ("Totals",)


class Totals(Observer):
    """What a store has told so far.

    Attributes:
        calls: How many were answered, by operation.
        counts: What became of them, such as "gets hit"; and "retries", "failures" by error, and rows "removed".
        statements: Every statement.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.statements: list[Statement] = []

    def statement(self, statement: Statement) -> None:
        self.statements.append(statement)
        self.calls[statement.operation] += statement.calls
        for asked, result, count in statement.outcomes():
            self.counts[f"{asked} {result}"] += count

    def retry(self, operation: str, reason: str) -> None:
        self.counts[f"retries {operation} {reason}"] += 1

    def failure(self, error: str, calls: int) -> None:
        self.counts[f"failures {error}"] += calls

    def cleanup(self, removed: int, seconds: float) -> None:
        assert seconds >= 0
        self.counts["removed"] += removed
