"""The databases that the tests run over, registered in one place.

A backend is added with one call of `register`; the contract suite, the HTTP routes and the state machine then run over
it, in each of its formats. A plugin (`pytest -p`) may register one too.
"""

from __future__ import annotations

import itertools
import os
import time
from base64 import b64decode
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest
from sqlspec.adapters.aiomysql import AiomysqlConfig
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.asyncmy import AsyncmyConfig
from sqlspec.adapters.asyncpg import AsyncpgConfig

from litestar_sqlstores import BaseSQLSpecStore, create_store
from litestar_sqlstores.statements import TableName
from tests.oracle import servers as oracle
from tests.servers import (
    GivenSpanner,
    SpannerEmulator,
    mariadb_from_environment_or_private,
    mysql_from_environment_or_private,
    postgres_from_environment_or_private,
    require,
    spanner_from_environment_or_private,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.servers import GivenMySQL, MariaDBServer, MySQLServer

__all__ = ("BACKENDS", "Backend", "Database", "Store", "Stores", "quoted_table", "register", "rows")

Store = BaseSQLSpecStore[Any]

EVERYTHING = frozenset(
    {
        "several writers",  # transactions of others do not fail because somebody writes meanwhile
        "processes",  # others can reach the database
        "workers",  # and write at the same time
        "pool",  # the size of the pool means something
        "schemas",  # tables can be in another schema
        "json",  # as well as bytes
        "any name",  # of a table
        "any number",  # in JSON
        "adds to values",  # increment finds the number that set has stored
    }
)

_numbers = itertools.count(1)


@dataclass
class Database:
    """A database, and a table name in it that no other test uses.

    Args:
        new_config: Makes a SQLSpec config of the database, with a pool of so many connections.
        url: The URL that `create_store` takes. Others reach the same database with it if the backend says "processes".
        table: The name of the table.
        schema: Another schema that tables can be in, if the backend says "schemas".
        options: What its stores are given, beside their table and data format.
    """

    new_config: Callable[[int], Any]
    url: str
    table: str = field(default_factory=lambda: f"sessions_{next(_numbers)}")
    schema: str = "other_schema"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Backend:
    """A kind of database.

    Args:
        name: Its name in the tests' ids.
        database: From what `server` provides and an empty folder to a database for one test.
        server: What all tests of a run share, entered once; nothing by default.
        formats: The data formats to test.
        topic: What only to test; for one that differs from another in nothing else. Everything by default.
        rounds: How often races are run, and random histories played; fewer where it takes long.
        analyze: The statement that has the database look at how large a table is; empty where there is none.
        capabilities: What it can beyond what every backend can, of EVERYTHING.
    """

    name: str
    database: Callable[[Any, Path], Database]
    server: Callable[[], AbstractContextManager[Any]] = nullcontext
    formats: tuple[str, ...] = ("bytes", "json")
    topic: Literal["", "driver", "data"] = ""
    rounds: int = 5
    analyze: str = "ANALYZE {table}"
    capabilities: frozenset[str] = EVERYTHING


BACKENDS: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """Run every test of the contract, the HTTP routes and the state machine over one more backend."""
    BACKENDS[backend.name] = backend


class Stores:
    """Makes stores on the database of a test. Each has a config of its own, as in another process.

    Args:
        database: The database.
        data_format: What the stores have unless they are asked for something else.
    """

    def __init__(self, database: Database, data_format: str) -> None:
        self.database = database
        self._defaults: dict[str, Any] = {"table": database.table, "data_format": data_format, **database.options}
        self._made: list[Store] = []

    def __call__(self, *, pool_size: int = 5, **options: Any) -> Store:
        return self.on(self.database.new_config(pool_size), **options)

    def on(self, config: Any, **options: Any) -> Store:
        """A store on a config that may be another store's too."""
        store = create_store(config, **{**self._defaults, **options})
        self._made.append(store)
        return store

    async def close(self) -> None:
        for store in self._made:
            await store.aclose()
            await store.config.close_pool()


def quoted_table(store: Store) -> str:
    """The name of a store's table as SQL has it."""
    return TableName.parse(store.settings.table).slots(store.backend.quote)["table"]


async def rows(store: Store, columns: str = "*", condition: str = "1 = 1") -> list[dict[str, Any]]:
    """What is in the table of a store, read as an application would."""
    sql = f"SELECT {columns} FROM {quoted_table(store)} WHERE {condition}"
    if store.backend.dialect == "sqlite":
        # Past SQLSpec's driver: a lock that it meets breaks what it does later, with any database (python/mypy#12867).
        async with store.config.provide_connection() as connection, connection.execute(sql) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, tuple(row), strict=True)) for row in await cursor.fetchall()]
    is_spanner = store.backend.dialect == "spanner"
    # What only reads needs no transaction, which another one might abort.
    options = {"transaction": False} if is_spanner else {}
    async with store.config.provide_session(**options) as session:
        found: list[dict[str, Any]] = await session.select(sql)
    if is_spanner:  # whose driver hands out bytes as base64
        return [{name: b64decode(v) if isinstance(v, bytes) else v for name, v in row.items()} for row in found]
    return found


# -- SQLite


def _sqlite_config(database: str, pool_size: int) -> AiosqliteConfig:
    return AiosqliteConfig(connection_config={"database": database, "pool_size": pool_size})


def _sqlite_file(_: None, folder: Path) -> Database:
    path = folder / "store.db"
    return Database(partial(_sqlite_config, str(path)), f"sqlite:///{path}")


def _sqlite_memory(_: None, folder: Path) -> Database:
    # The name lets several configs share the database; it is gone when the last of them closes.
    return Database(partial(_sqlite_config, f"file:memory_{next(_numbers)}?mode=memory&cache=shared"), "sqlite://")


_sqlite = EVERYTHING - {"schemas", "several writers"}
register(Backend("sqlite-file", _sqlite_file, capabilities=_sqlite))
register(Backend("sqlite-memory", _sqlite_memory, capabilities=_sqlite - {"processes", "pool"}))


# -- PostgreSQL


@contextmanager
def _postgres_server() -> Iterator[str]:
    # Nothing here outlives the server, so nothing has to reach the disk.
    with require(partial(postgres_from_environment_or_private, {"fsync": "off"})) as server:
        dsn = server.create_database()
        server.execute("CREATE SCHEMA other_schema", dsn)
        yield dsn


def _postgres_config(dsn: str, pool_size: int) -> AsyncpgConfig:
    return AsyncpgConfig(connection_config={"dsn": dsn, "min_size": 1, "max_size": pool_size})


def _postgres(dsn: str, folder: Path) -> Database:
    return Database(partial(_postgres_config, dsn), dsn)


register(Backend("postgresql", _postgres, _postgres_server))


# -- encrypted values


def _encrypted(database: Callable[[Any, Path], Database], server: Any, folder: Path) -> Database:
    made = database(server, folder)
    made.options["encryption_keys"] = [
        "the first key, which encrypts all of them",
        b"another key, with which nothing is encrypted",
    ]
    return made


# What is the database's business is the same. A number that set has stored is not one that it can add to.
_of_encrypted = partial(Backend, formats=("bytes",), topic="data")
register(
    _of_encrypted(
        "sqlite-file-encrypted", partial(_encrypted, _sqlite_file), capabilities=_sqlite - {"json", "adds to values"}
    )
)
register(
    _of_encrypted(
        "postgresql-encrypted",
        partial(_encrypted, _postgres),
        _postgres_server,
        capabilities=EVERYTHING - {"json", "adds to values"},
    )
)


# -- MariaDB and MySQL


def _with_another_schema(server: MariaDBServer | MySQLServer | GivenMySQL) -> str:
    """A database and, as MySQL has no other schemas, another one named after it; the URL of the first."""
    dsn = server.create_database()
    server.create_database(_other_schema(dsn))
    return dsn


def _other_schema(dsn: str) -> str:
    return f"{urlsplit(dsn).path[1:]}_other"


# Nothing here outlives the servers, so nothing has to reach the disk.
HASTY = {"innodb-flush-log-at-trx-commit": "0"}


@contextmanager
def _mariadb_server() -> Iterator[str]:
    with require(partial(mariadb_from_environment_or_private, HASTY)) as server:
        yield _with_another_schema(server)


@contextmanager
def _mysql_server() -> Iterator[str]:
    # CI need not have it, because its package does not go with MariaDB's.
    with require(partial(mysql_from_environment_or_private, HASTY | {"sync-binlog": "0"}), in_ci=False) as server:
        yield _with_another_schema(server)


def _mysql_config(dsn: str, pool_size: int) -> AiomysqlConfig:
    # The store needs no autocommit of its caller, but the tests do: else they go on reading what they have read first.
    return AiomysqlConfig(connection_config={"dsn": dsn, "minsize": 1, "maxsize": pool_size, "autocommit": True})


def _mysql(dsn: str, folder: Path) -> Database:
    return Database(partial(_mysql_config, dsn), dsn, schema=_other_schema(dsn))


def _asyncmy_config(dsn: str, pool_size: int) -> AsyncmyConfig:
    return AsyncmyConfig(connection_config={"dsn": dsn, "minsize": 1, "maxsize": pool_size, "autocommit": True})


def _asyncmy(dsn: str, folder: Path) -> Database:
    return Database(partial(_asyncmy_config, dsn), dsn.replace("mysql:", "mysql+asyncmy:"), schema=_other_schema(dsn))


_of_mysql = partial(Backend, analyze="ANALYZE TABLE {table}")
register(_of_mysql("mariadb", _mysql, _mariadb_server))
register(_of_mysql("mariadb-asyncmy", _asyncmy, _mariadb_server, formats=("bytes",), topic="driver"))
register(_of_mysql("mysql", _mysql, _mysql_server, capabilities=EVERYTHING - {"any number"}))


# -- Cloud Spanner

# The emulator mixes up transactions that share a session. Set here, so that the processes of the tests have it too.
os.environ.setdefault("GOOGLE_CLOUD_SPANNER_MULTIPLEXED_SESSIONS_FOR_RW", "false")
# Its client's library wants to live on in a child of this process. Those that become a server under another account are
# forked for it, and have ended of that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")


@contextmanager
def _spanner_server() -> Iterator[SpannerEmulator | GivenSpanner]:
    from litestar_sqlstores.backends.spanner import SpannerBackend  # whose client takes long to import

    with require(spanner_from_environment_or_private) as emulator, pytest.MonkeyPatch.context() as patch:
        # It runs one transaction at a time and aborts the others.
        patch.setattr(SpannerBackend, "max_writers", 1)
        # gRPC turns timeouts into moments of this clock; a test that sets Python's wrong means that of the application.
        patch.setattr("grpc.aio._utils.time", SimpleNamespace(time=time.time))
        yield emulator


def _spanner(emulator: SpannerEmulator | GivenSpanner, folder: Path) -> Database:
    # One for each test: a transaction that fails at its first statement stays, and no schema can change beside it.
    url = emulator.create_database("CREATE SCHEMA other_schema")
    return Database(lambda _: create_store(url).config, url)


_of_spanner = partial(
    Backend,
    database=_spanner,
    server=_spanner_server,
    rounds=1,
    analyze="",
    capabilities=frozenset({"processes", "schemas", "json", "adds to values"}),
)
register(_of_spanner("spanner"))


# -- Oracle


def _oracle(url: str, folder: Path) -> Database:
    return Database(partial(oracle.config, url), url)


_double = partial(Backend, analyze="", capabilities=EVERYTHING - {"processes"})
register(_double("oracle-double", _oracle, oracle.double_of_26ai))
register(_double("oracle-19c-double", _oracle, oracle.double_of_19c, formats=("json",), topic="data"))
if oracle.ORACLE_VARIABLE in os.environ:  # there is none to install
    register(Backend("oracle", _oracle, oracle.given, analyze="ANALYZE TABLE {table} COMPUTE STATISTICS"))
