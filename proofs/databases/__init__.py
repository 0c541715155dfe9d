"""Private databases, and what others do to them: kill connections, hold locks, end the server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from proofs.databases.base import Database
from proofs.databases.mysql import open_mariadb, open_mysql
from proofs.databases.postgresql import open_postgresql
from proofs.databases.sqlite import open_sqlite

__all__ = ("DATABASES", "MAIN", "SERVERS", "Database", "open_database")

OPENERS = {
    "postgresql": open_postgresql,
    "sqlite": open_sqlite,
    "mariadb": lambda settings: open_mariadb("aiomysql", settings),
    "mariadb-asyncmy": lambda settings: open_mariadb("asyncmy", settings),
    "mysql": open_mysql,
}
DATABASES = tuple(OPENERS)
SERVERS = tuple(name for name in DATABASES if name != "sqlite")
"""Those that are reached over a network."""
MAIN = ("postgresql", "sqlite", "mariadb")
"""Those of the short form, and of what does not depend on the driver."""


@contextmanager
def open_database(name: str, settings: Mapping[str, str] | None = None) -> Iterator[Database]:
    """A private database, gone with the block.

    Args:
        name: One of `DATABASES`.
        settings: Settings of its server.

    Raises:
        ServerUnavailable: Its programs are not installed.
    """
    with OPENERS[name](settings or {}) as database:
        yield database
