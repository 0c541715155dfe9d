"""What becomes of a session that several requests change at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from litestar_sqlstores.errors import ConflictError

__all__ = ("MAX_MERGES", "Turns", "merge", "retry_merging")

MAX_MERGES = 100
"""How often a session is merged with changes of other processes before its request fails."""


class Turns:
    """Requests of this process that change one session take turns, so that they do not merge against each other."""

    def __init__(self) -> None:
        self._locks: dict[object, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, session_id: str) -> AsyncIterator[None]:
        """Wait for the turn of a session, and have it."""
        # An application may run in several event loops, one after another or in threads, and a lock in one only.
        key = (asyncio.get_running_loop(), session_id)
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1


def merge(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """``theirs`` with the top-level entries that ``mine`` changed, added or removed since ``base``."""
    missing = object()
    changed = {key: value for key, value in mine.items() if base.get(key, missing) != value}
    removed = base.keys() - mine.keys()
    return {key: value for key, value in theirs.items() if key not in removed} | changed


async def retry_merging(attempt: Callable[[], Awaitable[bool]]) -> None:
    """Make an attempt until it succeeds.

    Raises:
        ConflictError: Other processes were faster each time.
    """
    for number in range(MAX_MERGES):
        if await attempt():
            return
        await asyncio.sleep(random.uniform(0, 0.001 * 2 ** min(number, 6)))  # noqa: S311 - no secret
    msg = f"the session was changed by other processes {MAX_MERGES} times while this request tried to change it"
    raise ConflictError(msg)
