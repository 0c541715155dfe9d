"""Gets connections and gives them back, in bounded time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar, cast

from litestar_sqlstores.coalescing.health import Health
from litestar_sqlstores.coalescing.operations import TRANSIENT, Connector

__all__ = ("Connections", "NoConnectionError")

logger = logging.getLogger("litestar_sqlstores")

ConnectionT = TypeVar("ConnectionT")

RELEASE_SECONDS = 3.0
"""How long it may take to give a connection back. A pool that resets it should give up sooner, and throw it away."""


class NoConnectionError(Exception):
    """There is no connection to be had; the reason is the ``__cause__``."""

    def __init__(self, cause: Exception, *, transient: bool) -> None:
        self.__cause__ = self.cause = cause
        self.transient = transient
        """Whether another attempt may succeed."""


class Connections(Generic[ConnectionT]):
    """Where lanes get their connections from.

    Args:
        connector: How to reach the database.
        health: Who is told of what fails.
        connect_timeout: Seconds until an attempt is given up: a new one may reach a server that has come back.
    """

    def __init__(self, connector: Connector[ConnectionT], health: Health, connect_timeout: float) -> None:
        self._connector = connector
        self._health = health
        self._connect_timeout = connect_timeout

    @asynccontextmanager
    async def borrow(self) -> AsyncGenerator[ConnectionT, None]:
        """Provide a connection, and give it back.

        Raises:
            NoConnectionError: There is none.
        """
        borrowed = self._connector.connect()
        try:
            async with asyncio.timeout(self._connect_timeout):
                connection = await borrowed.__aenter__()
        except TimeoutError as error:
            # No news of the database: perhaps its pool is used up.
            self._health.failed()
            raise NoConnectionError(error, transient=True) from error
        except Exception as error:
            transient = self._connector.classify(error) in TRANSIENT
            self._health.failed(error)
            raise NoConnectionError(error, transient=transient) from error
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # The driver's own doing, as in Statements.
            lost = ConnectionError("the driver cancelled the connection")
            self._health.failed(lost)
            raise NoConnectionError(lost, transient=True) from None
        try:
            yield connection
        finally:
            await self._give_back(borrowed)

    async def _give_back(self, borrowed: AbstractAsyncContextManager[ConnectionT]) -> None:
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await borrowed.__aexit__(None, None, None)
        except Exception as error:
            # Nothing of a statement gets here.
            logger.warning("a connection could not be given back: %s", type(error).__name__, exc_info=error)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise


def _is_cancelled() -> bool:
    return bool(cast("asyncio.Task[None]", asyncio.current_task()).cancelling())
