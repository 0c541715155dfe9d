"""What a backend is: how one driver runs the statements of one dialect, and what its errors mean.

A backend knows nothing of namespaces of stores, queues, retries or timeouts. Each of its methods gets a connection
and a batch, runs one statement for the whole batch (or as few as the dialect allows), commits, and returns.
"""

from __future__ import annotations

import asyncio
import copy
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast
from weakref import WeakSet

from litestar_sqlstores import errors
from litestar_sqlstores.backends.pools import GivenPool, OwnPools, Pools
from litestar_sqlstores.backends.records import (
    Due,
    Entry,
    ForeignSession,
    Increment,
    Renewal,
    Renewed,
    Replacement,
)
from litestar_sqlstores.backends.single_statements import SingleStatements
from litestar_sqlstores.coalescing import Failure, Kill
from litestar_sqlstores.settings import Durability, Settings
from litestar_sqlstores.statements import TableName, load_statements

__all__ = ("Backend", "too_old")

ConfigT = TypeVar("ConfigT")
ConnectionT = TypeVar("ConnectionT")


_backends: WeakSet[Backend[Any, Any]] = WeakSet()
_inherited: list[object] = []


def _inherit() -> None:
    for backend in list(_backends):
        backend.inherit()


# A server forks its workers after it has imported the application, which may have used its stores by then.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit)


class Backend(SingleStatements[ConnectionT], Generic[ConfigT, ConnectionT]):
    """One driver with one dialect.

    Args:
        config: The SQLSpec config to get connections from.
        settings: The settings of the store.
    """

    dialect: ClassVar[str]
    """The statements are in ``<dialect>.sql``."""
    sql_folder: ClassVar[Path | None] = None
    """Where that file is; None for the folder of this package."""
    options: ClassVar[frozenset[str]] = frozenset()
    """The settings that this backend has beyond those of every store."""
    quote: ClassVar[str] = '"'
    """The character that quotes identifiers."""
    max_writers: ClassVar[int] = 3
    """How many connections write at a time, at most."""
    shares: ClassVar[int] = 2
    """Among how many statements many calls of one kind are shared, so that one is prepared while another one runs."""
    connect_timeout: ClassVar[float] = 3.0
    """Seconds until an attempt to connect is given up for another one, of which there are many within a timeout."""
    imports_sqlspec: ClassVar[bool] = False
    """Whether it has :meth:`sqlspec_sessions` and :meth:`delete_sqlspec_sessions`."""
    reads_while_others_write: ClassVar[bool] = False
    """Whether :meth:`get_and_renew` never waits for who writes, but leaves what is due to :meth:`renew_due`."""
    relaxes: ClassVar[bool] = False
    """Whether its writes obey :attr:`durability`."""
    relaxes_not: ClassVar[str] = "this backend has no other durability than that of its database"
    """Why not, and what to do instead, for the message."""

    durability: Durability = "full"
    """What the writes of single keys survive; all others are as durable as the database makes them."""
    pool_is_bound: ClassVar[bool] = True
    """Whether a pool works in the event loop only that it was opened in."""

    owns_pool = False
    """Whether nobody but the store uses the config's pool, so that what is set on a connection may stay set."""

    def __init__(self, config: ConfigT, settings: Settings) -> None:
        self.pools: Pools[ConfigT] = GivenPool(config, bound=self.pool_is_bound)
        self.settings = settings
        self.table = TableName.parse(settings.table)
        self.check_durability()
        self.sql = self.load_sql()
        _backends.add(self)

    def check_durability(self) -> None:
        """See that the database can do what the setting ``durability`` says.

        Raises:
            ConfigurationError: It cannot.
        """
        if not self.relaxes and "relaxed" in self.settings.durabilities.values():
            msg = f"durability={self.settings.durability!r} is not supported: {self.relaxes_not}"
            raise errors.ConfigurationError(msg)

    def relaxed(self) -> Self:
        """The same backend, for the writes that may be answered before they are on the disk."""
        twin = copy.copy(self)
        twin.durability = "relaxed"
        twin.sql = twin.load_sql()
        return twin

    def load_sql(self) -> Mapping[str, str]:
        """The statements for the table in the variants that are known now."""
        return load_statements(self.dialect, self.table, self.variants(), self.quote, self.sql_folder)

    @property
    def config(self) -> ConfigT:
        """The config whose pool serves the running event loop."""
        return self.pools.here()

    def own_pool(self, make_config: Callable[[], ConfigT]) -> None:
        """Nobody but the store knows of the config, which ``make_config`` makes once more for another event loop."""
        self.owns_pool = True
        self.pools = OwnPools(self.config, make_config)

    # -- what a backend may change

    def variants(self) -> tuple[str, ...]:
        """What decides between the fragments of the ``.sql`` file."""
        return (self.settings.data_format,)

    def max_connections(self) -> int:
        """How many connections to use at most."""
        return self.settings.max_connections

    def connect(self) -> AbstractAsyncContextManager[ConnectionT]:
        """Provide a connection, and take it back."""
        return cast("AbstractAsyncContextManager[ConnectionT]", cast("Any", self.config).provide_connection())

    def normal_type(self, name: str) -> str:
        """The type of a column in one spelling."""
        return name.lower()

    def inherit(self) -> Sequence[object]:
        """In a child of the process: leave its pools to that, closing nothing, and start anew; those pools."""
        pools = self.pools.inherit()
        # As long as they are there, nobody closes them as garbage: that may tell the server that its client ends.
        _inherited.extend(pools)
        return pools

    async def discard(self, connection: ConnectionT) -> Kill | None:  # noqa: ARG002 - for those that have more to do
        """Make a broken connection unusable, so that the pool throws it away.

        Returns:
            None if no statement can be under way on it any more, else what ends that statement: until then, no other
            statement of this store writes the same keys. See :data:`~litestar_sqlstores.coalescing.Kill`.
        """
        return None

    def home(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the store has to run in, if there is one."""
        return self.pools.home()

    async def close(self) -> None:
        """Close the pool of the running event loop, if it is the store's."""
        await self.pools.close()

    async def leave(self, loop_ends: bool) -> None:
        """Close what nobody else can use when the store leaves the running event loop, which may be ending."""
        await self.pools.leave(loop_ends)

    # -- what a backend must say

    @abstractmethod
    def classify(self, error: Exception) -> Failure:
        """What an error of the driver means."""

    @abstractmethod
    async def get(self, connection: ConnectionT, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The data of the keys that are alive."""

    @abstractmethod
    async def get_and_renew(
        self, connection: ConnectionT, renewals: Mapping[bytes, Renewal]
    ) -> Renewed[Mapping[bytes, bytes]]:
        """The data of the keys that are alive, which are renewed where that is due; and for which keys it was."""

    @abstractmethod
    async def renew(self, connection: ConnectionT, renewals: Mapping[bytes, Renewal]) -> Renewed[Iterable[bytes]]:
        """Renew where that is due; the keys that are alive."""

    @abstractmethod
    async def remaining(self, connection: ConnectionT, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        """How many milliseconds the keys that are alive will live, or NEVER."""

    @abstractmethod
    async def set(self, connection: ConnectionT, entries: Mapping[bytes, Entry]) -> int:
        """Store entries, but for those that are stored already with an expiry within the tolerance; how many."""

    @abstractmethod
    async def set_keeping_ttl(self, connection: ConnectionT, entries: Mapping[bytes, Entry]) -> int:
        """Store entries that keep the expiry of what they replace, but for those that are stored already; how many."""

    @abstractmethod
    async def replace(self, connection: ConnectionT, replacements: Mapping[bytes, Replacement]) -> Iterable[bytes]:
        """Replace live entries; the keys of those that were."""

    @abstractmethod
    async def increment(self, connection: ConnectionT, increments: Mapping[bytes, Increment]) -> Mapping[bytes, int]:
        """Add to the numbers under keys; what they are now.

        A number is stored as decimal digits. One that is alive keeps its expiry, one that is not starts at zero. Data
        that is no number is a bad value.
        """

    @abstractmethod
    async def add(self, connection: ConnectionT, entries: Mapping[bytes, Entry]) -> int:
        """Store entries, without their keys as text, whose keys have no live one; how many."""

    @abstractmethod
    async def delete(self, connection: ConnectionT, keys: Sequence[bytes]) -> None:
        """Remove keys."""

    # -- what a backend may have, where only one can write at a time

    async def renew_due(self, connection: ConnectionT, due: Mapping[bytes, Due]) -> Renewed[Mapping[bytes, bytes]]:
        """As get_and_renew, for what that has left; the data may be what was read then, if it was not written since."""
        raise NotImplementedError

    # -- what a backend may have, to take over the table of SQLSpec's own store

    async def sqlspec_sessions(
        self, connection: ConnectionT, table: str, after: str, limit: int
    ) -> Sequence[ForeignSession]:
        """At most ``limit`` live sessions of SQLSpec's in a table, in order, those with an id behind ``after``."""
        raise NotImplementedError

    async def delete_sqlspec_sessions(self, connection: ConnectionT, table: str, ids: Sequence[str]) -> None:
        """Remove sessions of SQLSpec's from a table."""
        raise NotImplementedError

    def sql_for(self, table: str) -> Mapping[str, str]:
        """The statements, for another table than the store's own."""
        return load_statements(self.dialect, TableName.parse(table), self.variants(), self.quote, self.sql_folder)

    # -- what callers see of an error

    def describe(self, error: Exception) -> errors.StoreError:
        """The error for a caller whose statement failed: one of its own, which it may raise anywhere."""
        if isinstance(error, errors.StoreError):
            own = type(error)(*error.args)
            own.__cause__ = error.__cause__
            return own
        described = self._describe(self.classify(error), type(error).__name__)
        described.__cause__ = error
        return described

    def _describe(self, failure: Failure, cause: str) -> errors.StoreError:
        conflict = errors.ConflictError, "other transactions stood in the way too often ({cause}); try again"
        disconnected = errors.UnavailableError, "the database cannot be reached, or ended the connection ({cause})"
        kind, text = {
            Failure.MISSING_TABLE: (
                errors.MissingTableError,
                "table {table!r} does not exist; create it with `await store.create_table()`",
            ),
            Failure.MISSING_SCHEMA: (
                errors.SchemaError,
                "the schema of table {table!r} does not exist; create it, or name another table",
            ),
            Failure.WRONG_SCHEMA: (
                errors.SchemaError,
                (
                    "table {table!r} is no table of litestar-sqlstores with data_format={data_format!r};"
                    " give the store another table, or drop this one if nothing needs it"
                ),
            ),
            Failure.BAD_VALUE: (errors.InvalidValueError, "the database refuses the value ({cause}); see the cause"),
            Failure.CONFLICT: conflict,
            Failure.BUSY: conflict,
            Failure.DISCONNECTED: disconnected,
            Failure.NOT_SENT: disconnected,
            Failure.INACCESSIBLE: disconnected,
            Failure.READ_ONLY: (
                errors.UnavailableError,
                "the server takes no writes ({cause}); a failover may be under way, or it is a replica",
            ),
            Failure.OTHER: (errors.DatabaseError, "the database failed ({cause}); see the cause"),
        }[failure]
        return kind(text.format(table=str(self.table), data_format=self.settings.data_format, cause=cause))


def too_old(found: str, needed: object) -> errors.ConfigurationError:
    """The error for a database that lacks what the statements need.

    Args:
        found: What there is, such as ``server is PostgreSQL 11.22``.
        needed: The oldest version that will do.
    """
    return errors.ConfigurationError(f"the {found}, which is too old; this store needs {needed} or later")
