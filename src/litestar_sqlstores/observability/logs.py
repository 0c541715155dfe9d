"""Structured log records of what a store does."""

from __future__ import annotations

import logging

from litestar_sqlstores.observability import Observer, Statement

__all__ = ("LoggingObserver",)


class LoggingObserver(Observer):
    """Logs what people who run an application want to know, to the logger ``litestar_sqlstores``.

    Failures and slow statements are warnings, and what is tried again is for debugging. The numbers are attributes of
    the record, for formatters that write JSON. What scheduled cleanup has removed is logged without this.

    Args:
        slow: From how many seconds on, in the queue and in the database together, a statement is slow.
    """

    def __init__(self, slow: float = 1.0) -> None:
        self._slow = slow
        self._logger = logging.getLogger("litestar_sqlstores")

    def statement(self, statement: Statement) -> None:
        """Warn of a slow one."""
        if statement.queued + statement.seconds >= self._slow:
            self._logger.warning(
                "slow %s: %d calls, %.3f s in the queue, %.3f s in the database",
                *(statement.operation, statement.calls, statement.queued, statement.seconds),
                extra={
                    "event": "slow_statement",
                    "operation": statement.operation,
                    "calls": statement.calls,
                    "queued_seconds": statement.queued,
                    "statement_seconds": statement.seconds,
                },
            )

    def retry(self, operation: str, reason: str) -> None:
        """Say what is tried again, and why."""
        extra = {"event": "retry", "operation": operation, "reason": reason}
        self._logger.debug("%s is tried again: %s", operation, reason, extra=extra)

    def failure(self, error: str, calls: int) -> None:
        """Warn of calls that failed."""
        extra = {"event": "failure", "error": error, "calls": calls}
        self._logger.warning("%d calls failed: %s", calls, error, extra=extra)
