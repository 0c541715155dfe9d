"""What the coalescer is told: kinds of statements, how to reach the database, and what its errors mean."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

from litestar_sqlstores.errors import StoreError

__all__ = (
    "CONCERNS_EVERY_CALL",
    "NOT_RUN",
    "TRANSIENT",
    "Answers",
    "Connector",
    "Failure",
    "Kill",
    "Operation",
    "Together",
)

ConnectionT = TypeVar("ConnectionT")


class Failure(enum.Enum):
    """What a database error means for the calls in the statement."""

    CONFLICT = enum.auto()
    """Another transaction stood in the way; the same statement may succeed now."""
    BUSY = enum.auto()
    """Somebody holds a lock that the database does not wait for; the same statement succeeds once it is given back."""
    DISCONNECTED = enum.auto()
    """The connection is gone: nobody knows whether the statement has run. Or it could not be made."""
    NOT_SENT = enum.auto()
    """The connection is no good, and the statement has certainly not run: the connection was gone before, say, or the
    server does not know the prepared statement."""
    READ_ONLY = enum.auto()
    """The server takes no writes, as one does that was the primary before a failover; the statement has not run."""
    INACCESSIBLE = enum.auto()
    """There is no connection to be had, and trying again would not help: a file that cannot be opened, say."""
    MISSING_TABLE = enum.auto()
    MISSING_SCHEMA = enum.auto()
    """The table's schema does not exist, so that the table cannot be created."""
    WRONG_SCHEMA = enum.auto()
    """The table has another shape."""
    BAD_VALUE = enum.auto()
    """The database refuses a value."""
    OTHER = enum.auto()


NOT_RUN = {Failure.NOT_SENT, Failure.READ_ONLY}
"""Failures that leave no doubt: the calls are repeated on another connection, whatever they do."""
TRANSIENT = {*NOT_RUN, Failure.CONFLICT, Failure.BUSY, Failure.DISCONNECTED}
"""Failures to connect that may be over soon."""
CONCERNS_EVERY_CALL = {
    *TRANSIENT,
    Failure.INACCESSIBLE,
    Failure.MISSING_TABLE,
    Failure.MISSING_SCHEMA,
    Failure.WRONG_SCHEMA,
}
"""Failures that no call of the statement is to blame for alone, so that splitting it would not help."""


class Together(enum.Enum):
    """What becomes of several calls for one key that could travel in one statement."""

    LAST = enum.auto()
    """The last one's argument counts, as if they had been made one after another; all get the same answer."""
    SUM = enum.auto()
    """Their arguments are added up; each gets the sum up to its own."""
    APART = enum.auto()
    """One of them travels; the others wait for their turn."""


class Answers(dict[bytes, Any]):
    """The answers of a statement, and what else there is to say of it.

    Args:
        answers: By key.
        written: How many rows it has written, for an observer.
        onward: The keys whose calls are not answered yet, but go on to the operation's ``then``, with the argument that
            each has there.
    """

    def __init__(
        self, answers: Mapping[bytes, Any], written: int, onward: Mapping[bytes, Any] = MappingProxyType({})
    ) -> None:
        super().__init__(answers)
        self.written = written
        self.onward = onward


@dataclass(frozen=True, eq=False)
class Operation(Generic[ConnectionT]):
    """One kind of statement.

    Args:
        name: For messages and logs.
        run: Runs the statement for a batch, a mapping from key to argument, and returns the answers by key. Keys
            without an answer get None.
        writes: Whether it locks rows.
        together: What becomes of calls for one key. For SUM, arguments can be added, and say with ``amount`` what they
            add to an answer that is a number.
        repeatable: Whether it may run again after a connection was lost, when nobody knows whether it has run. A write
            may not, even if running twice leaves what running once does: others may have written in between, and the
            second run would undo that.
        then: The operation that calls go on to if this one finds that there is more to do for them: a read that finds
            something to write. They keep their place in the order of calls, and their deadline.
    """

    name: str
    run: Callable[[ConnectionT, dict[bytes, Any]], Awaitable[Mapping[bytes, Any]]]
    writes: bool
    together: Together = Together.LAST
    repeatable: bool = False
    then: Operation[ConnectionT] | None = None


Kill: TypeAlias = "Callable[[], Awaitable[None]]"
"""Sees to it that what a connection has sent takes no effect any more.

It returns once that is certain: the server has cancelled the statement, or has never heard of it, or its process has
ended. It raises if that is not certain, and is called again. It is called after the connection has been given back, so
it holds what it needs: an address and the id of the session, say. It must not harm another session that has the same id
on another server, to which the address may have moved.
"""


async def _nothing(*_: object) -> None:
    """As if nobody had asked."""


@dataclass(frozen=True)
class Connector(Generic[ConnectionT]):
    """How to reach the database, and what its errors mean.

    Args:
        connect: A context manager that provides a connection and takes it back.
        discard: Makes a broken connection unusable, so that whoever takes it back throws it away. Returns None if no
            statement can be under way on it any more, else what ends that statement (see Kill): until then, no other
            statement writes the same keys. Called while the connection is out, which is given back right afterwards;
            takes at most some seconds.
        classify: What an error means.
        describe: The error that callers see; called once for each of them.
        close: Called in an event loop when it was closed, and has given back all of that loop's connections.
        leave: As ``close``, when it leaves the event loop; told whether that comes to its end.
        home: The event loop that it has to run in, if there is one.
    """

    connect: Callable[[], AbstractAsyncContextManager[ConnectionT]]
    discard: Callable[[ConnectionT], Awaitable[Kill | None]]
    classify: Callable[[Exception], Failure]
    describe: Callable[[Exception], StoreError]
    close: Callable[[], Awaitable[None]] = _nothing
    leave: Callable[[bool], Awaitable[None]] = _nothing
    home: Callable[[], asyncio.AbstractEventLoop | None] = lambda: None
