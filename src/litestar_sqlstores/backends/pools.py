"""Whose a pool of connections is, and which event loop it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar, cast

from litestar_sqlstores.errors import ConfigurationError

__all__ = ("GivenPool", "OwnPools", "Pools", "SharedPool")

ConfigT = TypeVar("ConfigT")
ConfigT_co = TypeVar("ConfigT_co", covariant=True)


class Pools(Protocol[ConfigT_co]):
    """The pools that a store uses."""

    def here(self) -> ConfigT_co:
        """The config whose pool serves the running event loop."""
        ...

    def home(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the store has to run in, if there is one."""
        ...

    async def close(self) -> None:
        """The store is closed in the running event loop."""

    async def leave(self, loop_ends: bool) -> None:
        """The store leaves the running event loop, which may be coming to its end."""

    def inherit(self) -> list[object]:
        """This process was forked from the one that had the pools: forget them, closing nothing; they are returned."""
        ...


class GivenPool(Generic[ConfigT]):
    """The pool of a config that the caller has, and closes; unless it is there for the store alone, which asked first.

    Args:
        config: The caller's config.
        bound: Whether a pool works only in the event loop that it was opened in.
    """

    def __init__(self, config: ConfigT, *, bound: bool) -> None:
        self._config = config
        self._bound = bound
        self._pool: object = None
        self._opened_in: asyncio.AbstractEventLoop | None = None

    def home(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of the pool, where that is known."""
        pool = getattr(self._config, "connection_instance", None)
        if not self._bound or pool is None:
            return None
        if self._pool is None:
            self._pool = pool
        # asyncpg's, aiomysql's and asyncmy's know it.
        loop = getattr(pool, "_loop", self._opened_in if pool is self._pool else None)
        return loop if isinstance(loop, asyncio.AbstractEventLoop) else None

    def here(self) -> ConfigT:
        """The config.

        Raises:
            ConfigurationError: Its pool belongs to another event loop.
        """
        config, loop, home = cast("Any", self._config), _running_loop(), self.home()
        if loop is not None and home is not None and home is not loop:
            if not (home.is_closed() and self._opened_in is home):
                msg = (
                    f"the pool of {type(config).__name__} was opened in another event loop, and works in no other one;"
                    " use the store there, or make it from a URL"
                )
                raise ConfigurationError(msg)
            # The store had opened it, and nothing in there can be used, or closed, any more.
            config.connection_instance = None
        if getattr(config, "connection_instance", None) is None:
            self._pool, self._opened_in = None, loop
        return self._config

    async def close(self) -> None:
        """Leave the pool open."""

    async def leave(self, loop_ends: bool) -> None:
        """Close the pool if the store has opened it, and with the event loop it is of no use any more."""
        if loop_ends and self._opened_in is not None and self.home() is self._opened_in:
            await cast("Any", self._config).close_pool()

    def inherit(self) -> list[object]:
        """Forget the pool; it is returned."""
        self._pool = self._opened_in = None
        return _taken_from([self._config])


class SharedPool(Generic[ConfigT]):
    """One pool for all event loops, as a database in memory needs, which is gone with its last connection.

    Args:
        config: The config that only the store knows.
    """

    def __init__(self, config: ConfigT) -> None:
        self._config = config

    def here(self) -> ConfigT:
        """The config."""
        return self._config

    def home(self) -> asyncio.AbstractEventLoop | None:
        """Any event loop will do."""
        return None

    async def close(self) -> None:
        """Close the pool."""
        await cast("Any", self._config).close_pool()

    async def leave(self, loop_ends: bool) -> None:
        """Leave the pool to other event loops."""

    def inherit(self) -> list[object]:
        """Forget the pool; it is returned."""
        return _taken_from([self._config])


class OwnPools(Generic[ConfigT]):
    """A pool for each event loop, from a config of its own.

    Args:
        config: The config for the first event loop.
        make_config: Makes one for another event loop.
    """

    def __init__(self, config: ConfigT, make_config: Callable[[], ConfigT]) -> None:
        self._spare: ConfigT | None = config
        self._last = config
        self._make_config = make_config
        self._configs: dict[asyncio.AbstractEventLoop, ConfigT] = {}

    def here(self) -> ConfigT:
        """The config of the running event loop; without one, the last that was asked for."""
        loop = _running_loop()
        if loop is None:
            return self._last
        config = self._configs.get(loop)
        if config is None:
            for ended in [other for other in list(self._configs) if other.is_closed()]:
                self._configs.pop(ended, None)
            config = self._configs[loop] = self._spare or self._make_config()
            self._spare = None
        self._last = config
        return config

    def home(self) -> asyncio.AbstractEventLoop | None:
        """Any event loop will do."""
        return None

    async def close(self) -> None:
        """Close the pool of the running event loop."""
        config = self._configs.pop(asyncio.get_running_loop(), None)
        if config is not None:
            await cast("Any", config).close_pool()

    async def leave(self, loop_ends: bool) -> None:  # noqa: ARG002 - no other event loop can use it
        """Close the pool of the running event loop."""
        await self.close()

    def inherit(self) -> list[object]:
        """Forget the pools; they are returned."""
        configs = [*self._configs.values(), self._last]
        self._configs.clear()
        return _taken_from(configs)


def _taken_from(configs: Iterable[object]) -> list[object]:
    """The pools of configs, which have none from now on."""
    pools: list[object] = []
    for given in configs:
        config = cast("Any", given)
        pool = getattr(config, "connection_instance", None)
        if pool is not None:
            pools.append(pool)
            config.connection_instance = None
    return pools


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
