"""Callers that record what they do.

Keys last for a moment only: a quarter of a second if they are hot, a few seconds otherwise. So the history of a key is
short enough to be checked, and what was lost in one does not hide faults in the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Protocol

from litestar_sqlstores import ConflictError, OverloadedError, StoreError
from proofs.linearizability import UNKNOWN, Call, Kind

__all__ = ("Caller", "Target", "hot_keys", "slow_keys")

HOT_SECONDS, HOT_KEYS = 0.25, 6
SLOW_SECONDS, SLOW_KEYS = 4.0, 32
LONG = 600.0

KINDS: dict[Kind, int] = {
    "get": 30,
    "get_and_renew": 12,
    "remaining": 3,
    "set": 18,
    "delete": 8,
    "renew": 8,
    "increment": 12,
    "replace": 9,
}
"""How often each kind of call is made, relative to the others."""


class Target(Protocol):
    """What of a store is called."""

    async def get(self, key: str, renew_for: Any = None) -> bytes | None: ...
    async def set(self, key: str, value: Any, expires_in: Any = None) -> None: ...
    async def delete(self, key: str) -> None: ...
    async def renew(self, key: str, renew_for: Any) -> bool: ...
    async def increment(self, key: str, by: int = 1, expires_in: Any = None) -> int: ...
    async def replace(self, key: str, value: Any, expires_in: Any = None, *, expected: Any = None) -> bool: ...
    async def expires_in(self, key: str) -> int | None: ...


def hot_keys(now: float) -> list[str]:
    """The keys that everybody wants at a moment."""
    return [f"hot {int(now / HOT_SECONDS)} {number}" for number in range(HOT_KEYS)]


def slow_keys(now: float) -> list[str]:
    """The keys that live longer."""
    return [f"slow {int(now / SLOW_SECONDS)} {number}" for number in range(SLOW_KEYS)]


class Caller:
    """Makes calls, one after another.

    Args:
        store: What to call.
        process: The number of this process, for the records.
        number: The number of this caller, so that no two store the same.
        random: Its choices.
        cancels: How often the caller is cancelled, as a fraction.
    """

    def __init__(self, store: Target, process: int, number: int, random: Random, cancels: float = 0.03) -> None:
        self._store = store
        self._process = process
        self._random = random
        self._cancels = cancels
        self._next_value = (number + 1) * 10**13
        self._seen: dict[str, bytes] = {}
        self.calls: list[Call] = []

    async def call(self) -> None:
        """Make one call, and record it."""
        random = self._random
        clock = asyncio.get_running_loop().time  # asyncio's own: the system's monotonic clock
        keys = hot_keys if random.random() < 0.8 else slow_keys
        key = random.choice(keys(clock()))
        (kind,) = random.choices(list(KINDS), list(KINDS.values()))
        arguments, run = self._prepare(kind, key)
        delay = random.uniform(0, 0.01) if random.random() < self._cancels else None
        start = clock()
        try:
            async with asyncio.timeout(delay):
                answer = await run()
        except (StoreError, TimeoutError) as error:
            if not _certainly_not_run(error):
                self._record(Call(kind, key, start, UNKNOWN, reported=clock(), **arguments))
            if isinstance(error, StoreError):
                await asyncio.sleep(0.01)  # as a web server would, take another request first
        else:
            self._record(Call(kind, key, start, clock(), answer, **arguments))
            if isinstance(answer, bytes):
                self._remember(key, answer)

    def _record(self, call: Call) -> None:
        self.calls.append(call._replace(process=self._process))

    def _remember(self, key: str, value: bytes) -> None:
        if len(self._seen) > 100:
            self._seen.clear()
        self._seen[key] = value

    def _prepare(self, kind: Kind, key: str) -> tuple[dict[str, Any], Callable[[], Awaitable[Any]]]:
        """What is recorded of a call, and the call."""
        store, random = self._store, self._random
        renewal = random.choice([random.randrange(5, 80) / 1000, LONG])
        ttl = random.choice([None, LONG, *(random.randrange(5, 80) / 1000 for _ in range(3))])
        by = random.randrange(1, 10)
        expected = random.choice([None, self._seen.get(key)])
        value = self._new_value()
        prepared: dict[Kind, tuple[dict[str, Any], Callable[[], Awaitable[Any]]]] = {
            "get": ({}, lambda: store.get(key)),
            "get_and_renew": ({"ttl": renewal}, lambda: store.get(key, renew_for=renewal)),
            "remaining": ({}, lambda: store.expires_in(key)),
            "set": ({"value": value, "ttl": ttl}, lambda: store.set(key, value, ttl)),
            "delete": ({}, lambda: store.delete(key)),
            "renew": ({"ttl": renewal}, lambda: store.renew(key, renewal)),
            "increment": ({"by": by, "ttl": ttl}, lambda: store.increment(key, by, ttl)),
            "replace": (
                {"value": value, "ttl": ttl, "expected": expected},
                lambda: store.replace(key, value, ttl, expected=expected),
            ),
        }
        return prepared[kind]

    def _new_value(self) -> bytes:
        """A number that nobody else stores, nor comes to by adding."""
        self._next_value += 10**6
        return b"%d" % self._next_value


def _certainly_not_run(error: Exception) -> bool:
    """Whether a call that failed has not taken effect."""
    return isinstance(error, (OverloadedError, ConflictError)) or getattr(error, "outcome_unknown", None) is False
