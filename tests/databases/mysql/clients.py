"""What the tests of MySQL and MariaDB share: stores, and connections of somebody else."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiomysql
from sqlspec.adapters.aiomysql import AiomysqlConfig

from litestar_sqlstores import AiomysqlStore, create_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Store

__all__ = ("KEYS", "Client", "client", "configured", "is_mariadb", "is_row", "opened")

KEYS = [f"key {number}" for number in range(64)]


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Store]:
    async with create_store(url, **options) as store:
        await store.create_table()
        yield store


@asynccontextmanager
async def configured(url: str, **connection_config: Any) -> AsyncIterator[Store]:
    """A store on a config of the caller's, with one connection."""
    config = AiomysqlConfig(connection_config={"dsn": url, "minsize": 1, "maxsize": 1, **connection_config})
    try:
        async with AiomysqlStore(config) as store:
            await store.create_table()
            yield store
    finally:
        await config.close_pool()


class Client:
    """Somebody else's connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def __call__(self, *statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        async with self.connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
                rows = list(await cursor.fetchall())
        return rows


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Client]:
    parts = urlsplit(url)
    connection = await aiomysql.connect(
        host=parts.hostname or "",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        db=parts.path[1:],
        # The driver makes warnings of what the server notes about our questions, such as how it reads a table.
        **{"autocommit": True, "init_command": "SET max_error_count = 0", **options},
    )
    try:
        yield Client(connection)
    finally:
        connection.close()


async def is_mariadb(execute: Client) -> bool:
    ((version,),) = await execute("SELECT VERSION()")
    return "mariadb" in version.lower()


def is_row(store: Store, key: str) -> str:
    """The condition for the row of a key."""
    return f"key_digest = x'{store.digest(key).hex()}'"
