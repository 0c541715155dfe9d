"""What a store tells about its work: counts and times, and never a key, a value or an owner.

A store tells its observer of each statement once it is answered, of what is tried again, of what fails and of cleanup.
So the sums add up: each call is in one statement or fails. There are observers for Prometheus
(:mod:`~litestar_sqlstores.observability.prometheus`), for OpenTelemetry
(:mod:`~litestar_sqlstores.observability.opentelemetry`) and for logs (:mod:`~litestar_sqlstores.observability.logs`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ("Observer", "Observers", "Statement")

logger = logging.getLogger("litestar_sqlstores")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that has served the calls that travelled in it.

    Attributes:
        operation: What it did: ``get``, ``get_and_renew``, ``renew``, ``remaining``, ``set``, ``set_keeping_ttl``,
            ``replace``, ``increment``, ``delete``, or what is about no key, such as ``delete_expired``.
        calls: How many calls it answered.
        found: How many of them got something: a value, a number, or that there is an entry.
        written: How many rows it wrote, where it writes what has changed or is due only; None for other operations.
        queued: Seconds that the call which waited longest had waited when the statement was sent.
        seconds: How long the statement took.
    """

    operation: str
    calls: int
    found: int
    written: int | None
    queued: float
    seconds: float

    @property
    def hits(self) -> int:
        """How many calls asked for a value and got one."""
        return self.found if self._gets else 0

    @property
    def misses(self) -> int:
        """How many calls asked for a value and got none."""
        return self.calls - self.found if self._gets else 0

    @property
    def renewals_written(self) -> int:
        """How many renewals of what was found were due."""
        return self.written or 0 if self._renews else 0

    @property
    def renewals_skipped(self) -> int:
        """How many renewals of what was found were not due, or had been made by another call of the statement."""
        return self.found - self.renewals_written if self._renews else 0

    @property
    def sets_written(self) -> int:
        """How many entries were new, or changed."""
        return self.written or 0 if self._sets else 0

    @property
    def sets_skipped(self) -> int:
        """How many entries were stored already, or overtaken by another call of the statement."""
        return self.calls - self.sets_written if self._sets else 0

    def outcomes(self) -> Iterable[tuple[str, str, int]]:
        """What became of the calls, as metrics have it: what was asked for, the result, and how many calls had it."""
        counts = (
            ("gets", "hit", self.hits),
            ("gets", "miss", self.misses),
            ("sets", "written", self.sets_written),
            ("sets", "skipped", self.sets_skipped),
            ("renewals", "written", self.renewals_written),
            ("renewals", "skipped", self.renewals_skipped),
        )
        return [each for each in counts if each[2]]

    @property
    def _gets(self) -> bool:
        return self.operation in {"get", "get_and_renew"}

    @property
    def _renews(self) -> bool:
        return self.operation in {"renew", "get_and_renew"}

    @property
    def _sets(self) -> bool:
        return self.operation in {"set", "set_keeping_ttl"}


class Observer:
    """What a store tells of its work, for a subclass to count.

    The methods do nothing here. They are called in the event loop, between statements, so they must be quick and must
    not block. What they raise is logged and goes no further.
    """

    def statement(self, statement: Statement) -> None:
        """A statement was answered."""

    def retry(self, operation: str, reason: str) -> None:
        """A statement did not succeed and is tried again.

        Args:
            operation: As in :attr:`Statement.operation`.
            reason: ``conflict``, ``busy``, ``disconnected`` or ``not_sent``.
        """

    def failure(self, error: str, calls: int) -> None:
        """Calls failed.

        Args:
            error: The name of the error's class, such as ``StoreTimeoutError``.
            calls: How many.
        """

    def cleanup(self, removed: int, seconds: float) -> None:
        """Expired rows were removed.

        Args:
            removed: How many, in all batches.
            seconds: How long that took.
        """


class Observers(Observer):
    """Tells several observers, and keeps what they raise from the store.

    Args:
        *observers: Whom to tell, in this order.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def statement(self, statement: Statement) -> None:
        """Tell all of them."""
        self._tell("statement", statement)

    def retry(self, operation: str, reason: str) -> None:
        """Tell all of them."""
        self._tell("retry", operation, reason)

    def failure(self, error: str, calls: int) -> None:
        """Tell all of them."""
        self._tell("failure", error, calls)

    def cleanup(self, removed: int, seconds: float) -> None:
        """Tell all of them."""
        self._tell("cleanup", removed, seconds)

    def _tell(self, event: str, *arguments: Any) -> None:
        for observer in self._observers:
            try:
                getattr(observer, event)(*arguments)
            except Exception:
                logger.exception("%s.%s failed", type(observer).__name__, event)
