"""The databases that stand for Oracle in the tests: the doubles, and a live server where there is one."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import oracledb
from sqlspec.adapters.oracledb import OracleAsyncConfig

from litestar_sqlstores.urls import oracle
from tests.oracle_double import Server
from tests.servers import require

if TYPE_CHECKING:
    from collections.abc import Iterator

ORACLE_VARIABLE = "LITESTAR_SQLSTORES_TEST_ORACLE"
PRIVILEGES = "CREATE SESSION, CREATE TABLE, UNLIMITED TABLESPACE"
OTHER_SCHEMA = "other_schema"
# Of anybody's tables, to have one in another schema.
ANY = [
    *(f"{verb} ANY TABLE" for verb in ("CREATE", "DROP", "SELECT", "INSERT", "UPDATE", "DELETE")),
    "CREATE ANY INDEX",
]
DROP_SECONDS = 20.0


def config(url: str, pool_size: int) -> OracleAsyncConfig:
    return OracleAsyncConfig(connection_config={**oracle.connection_config(url, pool_size)})


@contextmanager
def double(version: tuple[int, ...]) -> Iterator[str]:
    """The double, as a server of a version; its URL."""
    with require(partial(Server, version)) as server, _lobs_as_values():
        server.execute(f'CREATE SCHEMA "{OTHER_SCHEMA}"')
        yield server.url


double_of_26ai = partial(double, (26, 1, 0, 0, 0))
double_of_19c = partial(double, (19, 3, 0, 0, 0))


@contextmanager
def given() -> Iterator[str]:
    """A user of our own on the server that is given by the URL of a user who may create users; the user's URL."""
    url = os.environ[ORACLE_VARIABLE]
    parts = urlsplit(url)
    admin: dict[str, Any] = {**oracle.connection_config(url, 1)}
    del admin["min"], admin["max"]
    name, password = f"SQLSTORES_{secrets.token_hex(4)}".upper(), f"Pw1_{secrets.token_hex(8)}"
    with oracledb.connect(**admin) as connection, connection.cursor() as cursor, ExitStack() as stack:
        for user in (name, f'"{OTHER_SCHEMA}"'):
            # Fails if there is one already, which is somebody else's, or left of a run that was killed.
            cursor.execute(f'CREATE USER {user} IDENTIFIED BY "{password}"')
            stack.callback(_drop_user, cursor, user)
            cursor.execute(f"GRANT {PRIVILEGES} TO {user}")
        cursor.execute(f"GRANT {', '.join(ANY)} TO {name}")
        stack.enter_context(_lobs_as_values())
        yield urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}"))


def _drop_user(cursor: oracledb.Cursor, user: str) -> None:
    until = time.monotonic() + DROP_SECONDS
    while True:
        try:
            cursor.execute(f"DROP USER {user} CASCADE")
        except oracledb.DatabaseError as error:
            # Its last connection may still be on its way out.
            if error.args[0].code != 1940 or time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _lobs_as_values() -> Iterator[None]:
    """Have the tests read the table as most applications do. SQLSpec's driver reads locators the first time only."""
    before = oracledb.defaults.fetch_lobs
    oracledb.defaults.fetch_lobs = False
    try:
        yield
    finally:
        oracledb.defaults.fetch_lobs = before
