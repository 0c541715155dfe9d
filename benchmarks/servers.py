"""The servers of a run: private, started when a peer first asks for one, gone with the run."""

import itertools
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

import asyncpg
from redis.asyncio import Redis
from sqlspec.adapters.aiomysql import AiomysqlConfig

from tests.servers import MariaDBServer, PostgresServer, PrivateServer, RedisServer, SpannerEmulator, ValkeyServer

__all__ = ("BACKENDS", "Backend", "Servers")

Backend: TypeAlias = Literal["postgresql", "sqlite", "mariadb", "spanner"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


class Servers:
    """PostgreSQL and MariaDB as durable as by default, Redis without its snapshots, and a folder for SQLite's files."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def postgresql(self) -> PostgresServer:
        return self._stack.enter_context(PostgresServer())

    @cached_property
    def mariadb(self) -> MariaDBServer:
        return self._stack.enter_context(MariaDBServer())

    @cached_property
    def redis(self) -> RedisServer:
        return self._stack.enter_context(RedisServer({"databases": "1000"}))

    @cached_property
    def valkey(self) -> ValkeyServer:
        return self._stack.enter_context(ValkeyServer({"databases": "1000"}))

    @cached_property
    def spanner(self) -> SpannerEmulator:
        return self._stack.enter_context(SpannerEmulator())

    @cached_property
    def folder(self) -> Path:
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))

    def new_database(self, backend: Backend) -> str:
        """An empty database; the URL of it."""
        if backend == "sqlite":
            return f"sqlite:///{self.folder / f'{next(self._numbers)}.db'}"
        server: PostgresServer | MariaDBServer | SpannerEmulator = getattr(self, backend)
        return server.create_database()

    def new_redis_database(self) -> str:
        """An empty database of the Redis server; the URL of it."""
        return f"{self.redis.dsn.rpartition('/')[0]}/{next(self._numbers)}"

    def new_valkey_database(self) -> str:
        """An empty database of the Valkey server; the URL of it."""
        return f"{self.valkey.dsn.rpartition('/')[0]}/{next(self._numbers)}"

    def pid(self, name: str) -> int | None:
        """The process of a server that was started."""
        server = vars(self).get(name)
        return server.pid if isinstance(server, PrivateServer) else None

    async def versions(self) -> dict[str, str]:
        """The versions of what ran, and the settings that decide how durable it was."""
        versions = {"SQLite": sqlite3.sqlite_version}
        started = vars(self)  # what a cached property has not put there was not used
        if "postgresql" in started:
            versions["PostgreSQL"] = await _postgresql_version(self.postgresql.dsn)
        if "mariadb" in started:
            versions["MariaDB"] = await _mariadb_version(self.mariadb.dsn)
        if "redis" in started:
            versions["Redis"] = await _redis_version(self.redis.dsn)
        if "valkey" in started:
            versions["Valkey"] = await _redis_version(self.valkey.dsn.replace("valkey:", "redis:"))
        if "spanner" in started:
            versions["Spanner"] = "the emulator"
        return versions


async def _postgresql_version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        shown = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        }
    finally:
        await connection.close()
    return _version(shown.pop("server_version"), shown)


async def _mariadb_version(dsn: str) -> str:
    names = ("version", "innodb_flush_log_at_trx_commit", "sync_binlog", "innodb_buffer_pool_size")
    config = AiomysqlConfig(connection_config={"dsn": dsn})
    try:
        async with config.provide_session() as session:
            shown = await session.select_one(f"SELECT {', '.join(f'@@{name} AS {name}' for name in names)}")
    finally:
        await config.close_pool()
    return _version(shown.pop("version"), shown)


async def _redis_version(dsn: str) -> str:
    async with Redis.from_url(dsn, decode_responses=True) as redis:
        shown = await redis.config_get("save", "appendonly")
        version = (await redis.info("server"))["redis_version"]
    return _version(version, shown)


def _version(version: str, settings: Mapping[Any, Any]) -> str:
    shown = ", ".join(f"{name}={value or 'none'}" for name, value in settings.items())
    return f"{version} ({shown})"
