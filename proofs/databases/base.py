"""What every database can be made to suffer."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any
from urllib.parse import urlsplit

from litestar_sqlstores import BaseSQLSpecStore, create_store
from tests.servers import PrivateServer

__all__ = ("TABLE", "Database")

TABLE = "litestar_session"


class Database(ABC):
    """A private database.

    Args:
        url: As `create_store` takes it.
        server: Its server, None where there is none.
    """

    def __init__(self, url: str, server: PrivateServer | None) -> None:
        self.url = url
        self._server = server

    @property
    def server(self) -> PrivateServer:
        """The server; there must be one."""
        if self._server is None:
            msg = f"{type(self).__name__} has no server"
            raise RuntimeError(msg)
        return self._server

    @property
    def has_server(self) -> bool:
        return self._server is not None

    def through(self, port: int) -> str:
        """The URL by way of another port of this machine, a proxy's."""
        return self.url.replace(f":{urlsplit(self.url).port}/", f":{port}/", 1)

    def digest(self, key: str) -> bytes:
        """What the table knows a key by."""
        store: BaseSQLSpecStore[object] = create_store(self.url)
        return store.digest(key)

    @abstractmethod
    def config(self, pool_size: int) -> Any:
        """A SQLSpec config with a pool of this size."""

    @abstractmethod
    def locked(self, digest: bytes) -> AbstractAsyncContextManager[None]:
        """Hold a lock on an entry, where there are such, or on everything, for as long as the block."""

    @abstractmethod
    async def kill_connections(self, random: Random, share: float) -> int:
        """End this part of the connections of others; how many."""

    @abstractmethod
    async def connections(self) -> int:
        """How many connections others have."""
