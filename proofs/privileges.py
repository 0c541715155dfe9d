"""The privileges that the documentation grants, and nothing else."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from litestar_sqlstores import BaseSQLSpecStore, ClosedError, StoreError, create_store
from proofs.databases import Database
from proofs.databases.mysql import MySQL
from proofs.databases.postgresql import PostgreSQL
from proofs.proof import Trials

__all__ = ("prove",)

DOCUMENT = Path(__file__).parents[1] / "docs" / "operations.md"
HEADINGS = {"postgresql": "PostgreSQL", "mariadb": "MySQL and MariaDB", "mysql": "MySQL and MariaDB"}


def prove(trials: Trials) -> None:
    """Do all that an application does, as a user with the privileges of the documentation."""
    with trials.server() as database:
        asyncio.run(_prove(trials, database))


def granted(database: str) -> list[str]:
    """The statements of the documentation that make a user for the application."""
    heading = HEADINGS[database.partition("-")[0]]
    section = DOCUMENT.read_text().partition("\n## Privileges\n")[2].partition(f"\n### {heading}\n")[2]
    block = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [statement.strip() for statement in block[1].split(";") if statement.strip()]


async def _prove(trials: Trials, database: Database) -> None:
    async with create_store(database.url) as administrator:
        await administrator.create_table()
    statements = granted(trials.database)
    await _execute(database, statements)
    trials.note("; ".join(statements))
    user = database.url.replace("postgres@", "app@").replace("root@", "app@")
    async with create_store(user, keep_keys=["cache"], timeout=3.0) as store:
        for name, call in _calls(store).items():
            try:
                await call()
            except StoreError as error:
                trials.failed(f"{name}: {error!r} from {error.__cause__!r}")
            else:
                trials.passed()
        await _give_up(trials, database, store)


async def _execute(database: Database, statements: list[str]) -> None:
    if isinstance(database, PostgreSQL):
        async with database.administrator() as connection:
            for statement in statements:
                await connection.execute(statement)
    else:
        assert isinstance(database, MySQL)
        await asyncio.to_thread(database.run, *statements)


def _calls(store: BaseSQLSpecStore[Any]) -> dict[str, Callable[[], Awaitable[Any]]]:
    """All that an application does at run time."""
    cache = store.with_namespace("cache")
    return {
        "check_table": store.check_table,
        "schema_difference": store.schema_difference,
        "set": lambda: store.set("key", "1", 100, owner="ada"),
        "set_many": lambda: store.set_many({f"key {number}": "1" for number in range(100)}, 0.001),
        "set keep_ttl": lambda: store.set("key", "2", keep_ttl=True),
        "get": lambda: store.get("key"),
        "get and renew": lambda: store.get("key", renew_for=1000),
        "get_many": lambda: store.get_many(["key", "other"]),
        "renew": lambda: store.renew("key", 100),
        "renew_many": lambda: store.renew_many(["key"], 500),
        "replace": lambda: store.replace("key", "3", expected="2"),
        "increment": lambda: store.increment("number", 1, 100),
        "exists": lambda: store.exists("key"),
        "expires_in": lambda: store.expires_in("key"),
        "inspect": lambda: store.inspect("key"),
        "stats": store.stats,
        "namespaces": store.namespaces,
        "delete": lambda: store.delete("key"),
        "delete_many": lambda: store.delete_many(["key", "number"]),
        "delete_expired": store.delete_expired,
        "set in a cache": lambda: cache.set("page 1", "1"),
        "invalidate": lambda: cache.invalidate(prefix="page"),
        "delete_all": store.delete_all,
    }


async def _give_up(trials: Trials, database: Database, store: BaseSQLSpecStore[Any]) -> None:
    """A statement that is given up ends at the server, which takes no privilege either."""
    await store.set("locked", "0")
    async with database.locked(store.digest("locked")):
        result = (await asyncio.gather(store.set("locked", "old"), return_exceptions=True))[0]
        trials.check(isinstance(result, StoreError) and not isinstance(result, ClosedError), f"set raised {result!r}")
    await store.set("locked", "new")
    await asyncio.sleep(1)
    trials.check(await store.get("locked") == b"new", "a set that was given up replaced a later one")
