"""A server behind an address that moves: it goes on elsewhere, with its data."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from proofs.databases import Database, open_database
from proofs.databases.mysql import MySQL
from proofs.proxy import Proxy
from tests.servers import HOST

__all__ = ("Moving", "open_moving")


class Moving:
    """A database, and the address of it.

    Args:
        database: The database, wherever its server is.
        proxy: The address.
    """

    def __init__(self, database: Database, proxy: Proxy) -> None:
        self._database = database
        self._proxy = proxy

    @property
    def url(self) -> str:
        """By way of the address, as a user for whom read-only means read-only."""
        return self._database.through(self._proxy.port).replace("root@", "app@")

    @property
    def direct_url(self) -> str:
        return self._database.url

    async def kill(self) -> None:
        """The server crashes, and goes on elsewhere."""
        await self._move(crash=True)

    async def switch_over(self) -> None:
        """The server becomes read-only and stays up for a moment, then it goes on elsewhere."""
        assert isinstance(self._database, MySQL)
        await asyncio.to_thread(self._database.run, "SET GLOBAL read_only = 1")
        await asyncio.sleep(1)
        await self._move(crash=False)

    async def _move(self, *, crash: bool) -> None:
        server, old = self._database.server, self._database.server.port
        await asyncio.to_thread(server.kill if crash else server.stop)
        server.port = _free_port()
        await asyncio.to_thread(server.start)
        self._database.url = self._database.url.replace(f":{old}/", f":{server.port}/")
        await self._proxy.move(server.port)


@contextmanager
def open_moving(name: str) -> Iterator[Database]:
    """The database, with a user who may not write to what is read-only."""
    with open_database(name) as database:
        assert isinstance(database, MySQL)
        database.run("CREATE USER app", "GRANT ALL ON *.* TO app", "REVOKE SUPER ON *.* FROM app")
        if "MariaDB" in database.server.log:
            database.run("REVOKE READ ONLY ADMIN ON *.* FROM app")
        yield database


def _free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind((HOST, 0))
        return int(candidate.getsockname()[1])
