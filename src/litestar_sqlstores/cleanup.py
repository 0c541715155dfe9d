"""Removes expired entries from time to time, beside the application's work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from litestar_sqlstores.coalescing import run_in
from litestar_sqlstores.durations import Duration, ttl_ms
from litestar_sqlstores.errors import ConfigurationError, DurationError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("ScheduledCleanup",)

logger = logging.getLogger("litestar_sqlstores")

DEFAULT_INTERVAL = 300
"""Seconds."""
MAX_BACKOFF = 6
"""After errors, the pause doubles up to 2**6 of its length: five minutes become five hours."""


def interval_seconds(name: str, interval: Duration) -> float:
    """An interval in seconds.

    Args:
        name: What it is called, for the message.
        interval: Seconds or a timedelta.

    Raises:
        ConfigurationError: It is no positive duration.
    """
    with contextlib.suppress(DurationError):
        if milliseconds := ttl_ms(interval):
            return milliseconds / 1000
    msg = f"{name} is {interval!r}; give a positive number of seconds, or a timedelta"
    raise ConfigurationError(msg)


class ScheduledCleanup:
    """Calls ``delete_expired`` at intervals, for as long as it is entered.

    Any number of workers may do so: they pass over each other's rows. What has expired is invisible anyway; this is
    about space.

    Args:
        store: The store whose table is cleaned, all namespaces of it.
        interval: Seconds (or a timedelta) between the end of one run and the start of the next.
        jitter: By which fraction a pause is shorter or longer at random, so that workers spread out.
        batch_size: How many rows a statement removes.

    Raises:
        ConfigurationError: ``interval`` is no positive duration, or ``jitter`` is not from 0 to 1.
    """

    def __init__(
        self,
        store: BaseSQLSpecStore[Any],
        interval: Duration = DEFAULT_INTERVAL,
        *,
        jitter: float = 0.2,
        batch_size: int = 1000,
    ) -> None:
        self._interval = interval_seconds("interval", interval)
        if not 0 <= jitter <= 1:
            msg = f"jitter is {jitter!r}; give a number from 0 to 1"
            raise ConfigurationError(msg)
        self._store = store
        self._jitter = jitter
        self._batch_size = batch_size
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        """Start."""
        self._task = asyncio.create_task(self._run(), name="litestar-sqlstores cleanup")

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Stop at once; a batch that is under way may still take effect."""
        if (task := self._task) is not None:
            self._task = None
            await run_in(task.get_loop(), partial(_stop, task), self._store.settings.timeout)

    async def _run(self) -> None:
        # Workers that start together should not clean together.
        await asyncio.sleep(random.uniform(0, self._interval))  # noqa: S311 - no secret
        failures = 0
        while True:
            failures = 0 if await self._clean() else failures + 1
            pause = self._interval * 2 ** min(failures, MAX_BACKOFF)
            await asyncio.sleep(pause * random.uniform(1 - self._jitter, 1 + self._jitter))  # noqa: S311 - no secret

    async def _clean(self) -> bool:
        started = time.monotonic()
        try:
            removed = await self._store.delete_expired(self._batch_size)
        except Exception as error:
            unexpected = None if isinstance(error, StoreError) else error
            logger.warning("cleanup failed and will be tried again: %s", error, exc_info=unexpected)
            return False
        seconds = time.monotonic() - started
        extra = {"event": "cleanup", "removed": removed, "cleanup_seconds": seconds}
        level = logging.INFO if removed else logging.DEBUG
        logger.log(level, "cleanup removed %d expired entries in %.1f s", removed, seconds, extra=extra)
        return True


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
