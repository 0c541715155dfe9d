"""SQLite."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from sqlspec.adapters.aiosqlite import AiosqliteConfig

from proofs.databases.base import Database

__all__ = ("SQLite", "open_sqlite")


class SQLite(Database):
    """A file in a temporary folder."""

    @property
    def path(self) -> Path:
        return Path(urlsplit(self.url).path)

    def config(self, pool_size: int) -> AiosqliteConfig:
        return AiosqliteConfig(connection_config={"database": str(self.path), "pool_size": pool_size})

    @asynccontextmanager
    async def locked(self, digest: bytes) -> AsyncIterator[None]:
        connection = sqlite3.connect(self.path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
            yield
        finally:
            connection.close()

    async def kill_connections(self, random: Random, share: float) -> int:
        """There are none that could be killed."""
        return 0

    async def connections(self) -> int:
        return 0


@contextmanager
def open_sqlite(settings: Mapping[str, str]) -> Iterator[SQLite]:
    with tempfile.TemporaryDirectory(prefix="litestar-sqlstores-") as folder:
        yield SQLite(f"sqlite:///{folder}/store.db", None)
