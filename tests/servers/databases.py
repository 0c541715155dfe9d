"""Databases on a server, whoever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self
from urllib.parse import urlsplit
from uuid import uuid4

__all__ = ("Databases", "GivenServer")


class Databases(ABC):
    """What can be done with any server of databases, ours or another's."""

    creates: ClassVar[str]
    """The statement that creates a database, with ``{}`` for its name."""

    @property
    @abstractmethod
    def dsn(self) -> str:
        """The URL of a database that exists."""

    @abstractmethod
    def execute(self, statement: str, dsn: str | None = None) -> None:
        """Run one statement outside of a transaction, here or in the database of `dsn`; inside an event loop too."""

    def create_database(self, name: str | None = None) -> str:
        """Create an empty database.

        Args:
            name: Its name; by default one that nobody has.

        Returns:
            The URL to connect to it.
        """
        name = name or f"litestar_sqlstores_{uuid4().hex[:12]}"
        self.execute(self.creates.format(name))
        return urlsplit(self.dsn)._replace(path=f"/{name}").geturl()


class GivenServer(Databases):
    """A server that somebody else runs. As a context manager it drops the databases that were created.

    Args:
        dsn: The URL of a database whose user may create others.
    """

    drops: ClassVar[tuple[str, ...]]
    """The statements that drop a database, with ``{}`` for its name."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._created: list[str] = []

    @property
    def dsn(self) -> str:
        return self._dsn

    def create_database(self, name: str | None = None) -> str:
        dsn = super().create_database(name)
        self._created.append(urlsplit(dsn).path[1:])
        return dsn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._created:
            name = self._created.pop()
            for statement in self.drops:
                self.execute(statement.format(name))
