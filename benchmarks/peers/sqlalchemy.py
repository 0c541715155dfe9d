"""advanced-alchemy's Litestar store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

from litestar.stores.base import Store

from benchmarks.peers.base import Backend, Peer, database

if TYPE_CHECKING:
    from advanced_alchemy.extensions.litestar.store import StoreModelMixin

__all__ = ("PEERS",)

_DRIVERS: dict[Backend, str] = {"postgresql": "asyncpg", "sqlite": "aiosqlite", "mariadb": "aiomysql"}


@cache
def _model() -> "type[StoreModelMixin]":
    from advanced_alchemy.extensions.litestar.store import StoreModelMixin

    class BenchmarkSession(StoreModelMixin):
        __tablename__ = "benchmark_session"

    return BenchmarkSession


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[Store]:
    from advanced_alchemy.extensions.litestar import SQLAlchemyAsyncConfig
    from advanced_alchemy.extensions.litestar.store import SQLAlchemyStore

    config = SQLAlchemyAsyncConfig(connection_string=url)
    engine = config.get_engine()
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_model().metadata.create_all)
        yield SQLAlchemyStore(config, model=_model())
    finally:
        await engine.dispose()


PEERS = [
    Peer(f"advanced-alchemy, {driver}", "sqlalchemy", database(backend, driver), _open, backend)
    for backend, driver in _DRIVERS.items()
]
