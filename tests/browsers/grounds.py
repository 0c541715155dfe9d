"""Where histories take place: the database, the servers of the application, and the ways to look at them."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from litestar_sqlstores import create_store
from tests.browsers.line import Switchboard
from tests.browsers.servers import KEYS, Setup, SiteServer
from tests.browsers.tables import Tables, open_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeVar

    from tests.backends import Store

    T = TypeVar("T")

__all__ = ("Grounds", "Site")

LOG = 5000
"""How much of a server's log is shown, in characters."""


class Site:
    """The application as one setup serves it."""

    def __init__(self, server: SiteServer, connect: Callable[[], httpx.AsyncHTTPTransport], store: Store) -> None:
        self.server = server
        self.connect = connect
        self.transport = connect()
        self.store = store
        """The stores of the application, as another process sees them."""

    @property
    def port(self) -> int:
        return self.server.port


class Grounds:
    """A database, and what is served from it; used as a context manager.

    Args:
        url: The database.
        fault: What is broken in the application on purpose.
    """

    def __init__(self, url: str, fault: str = "") -> None:
        self._url = url
        self._fault = fault
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._sites: dict[Setup, Site] = {}
        self.switchboard = Switchboard()
        self.histories = 0

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._runner.__exit__(None, None, None)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something where all browsers are; nothing of theirs moves otherwise."""
        return self._runner.run(coroutine)

    async def _open(self) -> None:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="browsers-")))
        self._line = await self.switchboard.start()
        self._stack.callback(self.switchboard.close)

    async def site(self, setup: Setup) -> Site:
        """The application, served in a way."""
        if setup not in self._sites:
            folder = self._folder / str(len(self._sites))
            folder.mkdir(exist_ok=True)  # a server may have failed to start
            server = SiteServer(setup, folder, url=self._url, line=self._line, fault=self._fault)
            # In a thread, as the application may want to reach the line while it starts.
            await asyncio.to_thread(self._stack.enter_context, server)
            connect = partial(httpx.AsyncHTTPTransport, http1=not setup.http2, http2=setup.http2, verify=False)
            keys = list(KEYS) if setup.encrypted else []
            store: Store = await self._stack.enter_async_context(create_store(self._url, encryption_keys=keys))
            self._sites[setup] = site = Site(server, connect, store)
            await self._stack.enter_async_context(site.transport)
        return self._sites[setup]

    def logs(self) -> str:
        """What the servers wrote last."""
        return "\n".join(f"-- {setup}:\n{site.server.log[-LOG:]}" for setup, site in self._sites.items())

    async def tables(self) -> Tables:
        """A look at the database."""
        if not hasattr(self, "_tables"):
            self._tables = await open_tables(self._url)
            self._stack.push_async_callback(self._tables.close)
        return self._tables
