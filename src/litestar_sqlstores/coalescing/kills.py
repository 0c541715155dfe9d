"""Statements that were given up, or lost with their connection: they die before others write the same keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from litestar_sqlstores.coalescing.clock import Clock
from litestar_sqlstores.coalescing.operations import Kill

__all__ = ("Kills",)

logger = logging.getLogger("litestar_sqlstores")

ATTEMPT_SECONDS = 2.0
"""How long one attempt may take: the network may swallow it."""
PAUSE_SECONDS = 0.2
"""How long to wait between two of them."""


class Kills:
    """The statements that nobody waits for any more and that may still be under way at the server.

    Args:
        writing: The keys that are being written; those of such a statement stay in it until the statement is dead.
        patience: Seconds after which a statement counts as dead that no attempt has reached: its server has gone.
        clock: The time of the event loop.
    """

    def __init__(self, writing: set[bytes], patience: float, clock: Clock) -> None:
        self._writing = writing
        self._patience = patience
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_free: Callable[[], None] = lambda: None
        """Called when keys can be written again."""

    def start(self, kill: Kill, keys: Collection[bytes]) -> None:
        """Have a statement killed; ``keys`` can be written again once that is done, and without any it is done once."""
        task = asyncio.create_task(self._run(kill, keys), context=self._clock.context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard, context=self._clock.context)

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109 - what is left is given up
        """Wait until all are dead, or the time is up."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _run(self, kill: Kill, keys: Collection[bytes]) -> None:
        until = self._clock.now() + self._patience
        try:
            while (error := await self._attempt(kill)) and keys:
                if self._clock.now() + PAUSE_SECONDS >= until:
                    logger.warning("a statement that was given up could not be cancelled: %s", type(error).__name__)
                    return
                await self._clock.sleep(PAUSE_SECONDS)
        finally:
            self._writing.difference_update(keys)
            self.on_free()

    async def _attempt(self, kill: Kill) -> Exception | None:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await kill()
        except Exception as error:  # noqa: BLE001 - whatever it is, the statement may be alive
            return error
        return None
