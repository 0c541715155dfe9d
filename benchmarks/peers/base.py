"""What a peer is."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from litestar.stores.base import Store

from benchmarks.servers import BACKENDS, Backend, Servers

__all__ = ("BACKENDS", "KINDS", "Backend", "Kind", "Peer", "database")

Kind: TypeAlias = Literal[
    "ours",
    "encrypted",
    "relaxed",
    "one by one",
    "callers' batch",
    "best batch",
    "sqlspec",
    "sqlalchemy",
    "plain",
    "redis",
    "valkey",
    "file",
    "memory",
]
"""All are compared with ``ours``; after those that encrypt and relax come three that are the driver without a store."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the report."""

    name: str
    kind: Kind
    place: Callable[[Servers], str]
    """Makes a place for it where nothing is, such as a database; its URL."""
    open: Callable[[str], AbstractAsyncContextManager[Store]]
    """Opens a store at a place, and creates its table there."""
    backend: Backend | None = None
    """The database it is on; None for what is compared with every backend."""
    shared: bool = True
    """Whether other processes see what it holds."""
    loaders: int = 64
    """Concurrent callers wherever no clock runs."""
    fill: str | None = None
    """The statement that copies the one row there is to a number of rows, ``{rows}``, each with a session's key."""


def database(backend: Backend, driver: str = "") -> Callable[[Servers], str]:
    """The place of what is on a database; ``driver`` is for URLs that name one."""

    def place(servers: Servers) -> str:
        scheme, _, rest = servers.new_database(backend).partition(":")
        return f"{scheme}{driver and '+'}{driver}:{rest}"

    return place
