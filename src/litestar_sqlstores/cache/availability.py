"""Leaves what does not work alone for a while, and tells of it once."""

from __future__ import annotations

import asyncio
import logging

__all__ = ("Availability",)

logger = logging.getLogger("litestar_sqlstores")


def clock() -> float:
    """Seconds, as the event loop counts them."""
    return asyncio.get_running_loop().time()


class Availability:
    """Whether something worked lately.

    While it does not, one call every ``pause`` seconds tries it, and all others go without.

    Args:
        what: What it is, for the log.
        pause: In seconds.
    """

    def __init__(self, what: str, pause: float) -> None:
        self._what = what
        self._pause = pause
        self._retry_at: float | None = None

    def skip(self) -> bool:
        """Whether to go without."""
        if self._retry_at is None:
            return False
        now = clock()
        if now < self._retry_at:
            return True
        self._retry_at = now + self._pause
        return False

    def failed(self, error: BaseException) -> None:
        """It failed: go without for a while."""
        if self._retry_at is None:
            logger.warning(
                "%s fails, responses are made anew meanwhile: %s: %s", self._what, type(error).__name__, error
            )
        self._retry_at = clock() + self._pause

    def worked(self) -> None:
        """It worked."""
        if self._retry_at is not None:
            self._retry_at = None
            logger.warning("%s works again", self._what)
