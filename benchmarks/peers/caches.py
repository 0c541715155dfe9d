"""Litestar's own stores."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar.stores.base import Store
from litestar.stores.file import FileStore
from litestar.stores.memory import MemoryStore
from litestar.stores.redis import RedisStore
from litestar.stores.valkey import ValkeyStore

from benchmarks.peers.base import Peer
from benchmarks.servers import Servers

__all__ = ("PEERS",)


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator[Store]:
    store = RedisStore.with_client(url)
    async with store:
        yield store


@asynccontextmanager
async def _valkey(url: str) -> AsyncIterator[Store]:
    store = ValkeyStore.with_client(url)
    async with store:
        yield store


@asynccontextmanager
async def _file(folder: str) -> AsyncIterator[Store]:
    store: Store = FileStore(Path(folder))
    yield store


@asynccontextmanager
async def _memory(_: str) -> AsyncIterator[Store]:
    store: Store = MemoryStore()
    yield store


def _nowhere(_: Servers) -> str:
    return ""


def _folder(servers: Servers) -> str:
    return tempfile.mkdtemp(dir=servers.folder)


PEERS = [
    Peer("Litestar RedisStore", "redis", Servers.new_redis_database, _redis),
    Peer("Litestar ValkeyStore", "valkey", Servers.new_valkey_database, _valkey),
    Peer("Litestar FileStore", "file", _folder, _file),
    Peer("Litestar MemoryStore", "memory", _nowhere, _memory, shared=False),
]
