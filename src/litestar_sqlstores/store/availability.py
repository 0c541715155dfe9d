"""Leaves a store that does not work alone for a while, and tells of it once."""

from __future__ import annotations

import asyncio
import logging

__all__ = ("LONGEST_WAIT", "PAUSE", "Availability")

logger = logging.getLogger("litestar_sqlstores")

LONGEST_WAIT = 1.0
"""How long a request waits for what it can do without, in seconds. A call of a store may take its ``timeout``."""
PAUSE = 2.0
"""How long a store is left alone after a failure, in seconds."""


def clock() -> float:
    """Seconds, as the event loop counts them."""
    return asyncio.get_running_loop().time()


class Availability:
    """Whether something worked lately.

    While it does not, one call every :data:`PAUSE` seconds tries it, and all others go without.

    Args:
        what: What it is, for the log.
        meanwhile: What happens without it, for the log.
    """

    def __init__(self, what: str, meanwhile: str) -> None:
        self._what = what
        self._meanwhile = meanwhile
        self._retry_at: float | None = None

    def skip(self) -> bool:
        """Whether to go without."""
        if self._retry_at is None:
            return False
        now = clock()
        if now < self._retry_at:
            return True
        self._retry_at = now + PAUSE
        return False

    def failed(self, error: BaseException) -> None:
        """It failed: go without for a while."""
        if self._retry_at is None:
            reason = str(error) or f"no answer within {LONGEST_WAIT:g} s"
            logger.warning("%s fails; meanwhile %s: %s: %s", self._what, self._meanwhile, type(error).__name__, reason)
        self._retry_at = clock() + PAUSE

    def worked(self) -> None:
        """It worked."""
        if self._retry_at is not None:
            self._retry_at = None
            logger.warning("%s works again", self._what)
