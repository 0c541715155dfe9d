"""Whether the database answers, and how long to leave it alone if it does not."""

from __future__ import annotations

import random

__all__ = ("Health",)

FIRST_PAUSE_SECONDS = 0.002
"""How long a lane that has lost its connection waits before it takes another, which is most likely good."""
LONGEST_PAUSE_SECONDS = 0.4
"""How long it waits when connection after connection is lost or refused."""


class Health:
    """Whether the database answers.

    Attributes:
        trouble: The last error that cost a connection; None once a statement has succeeded after it.
    """

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self._failures = 0

    def failed(self, error: Exception | None = None) -> None:
        """A connection was lost or could not be had; by a driver's error, or because it took too long."""
        self.trouble = error or self.trouble
        self._failures += 1

    def answered(self) -> None:
        """A statement has succeeded."""
        self.trouble = None
        self._failures = 0

    def pause(self) -> float:
        """Seconds until the next attempt: the longer, the more have failed since one succeeded."""
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 16))
        return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
