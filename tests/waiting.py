"""Wait for what happens somewhere else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ("PATIENCE", "until")

PATIENCE = 20.0
"""Seconds after which something that should have happened never will."""


async def until(happened: Callable[[], Awaitable[object]], patience: float = PATIENCE) -> None:
    """Wait until `happened` gives something true.

    Raises:
        TimeoutError: It never does; not for `patience` seconds.
    """
    async with asyncio.timeout(patience):
        while not await happened():  # noqa: ASYNC110 - there is no event: it happens in another process
            await asyncio.sleep(0.01)
