"""What the coalescer is told: kinds of statements, how to reach the database, and what its errors mean."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from litestar_sqlstores.errors import StoreError

__all__ = ("CONCERNS_EVERY_CALL", "Answers", "Connector", "Failure", "Operation", "Together")

ConnectionT = TypeVar("ConnectionT")


class Failure(enum.Enum):
    """What a database error means for the calls in the statement."""

    CONFLICT = enum.auto()
    """Another transaction stood in the way; the same statement may succeed now."""
    BUSY = enum.auto()
    """Somebody holds a lock that the database does not wait for; the same statement succeeds once it is given back."""
    DISCONNECTED = enum.auto()
    """The connection is gone, or could not be made."""
    NOT_SENT = enum.auto()
    """The connection was gone before the statement could be sent, so that it certainly has not run."""
    MISSING_TABLE = enum.auto()
    MISSING_SCHEMA = enum.auto()
    """The table's schema does not exist, so that the table cannot be created."""
    WRONG_SCHEMA = enum.auto()
    """The table has another shape."""
    BAD_VALUE = enum.auto()
    """The database refuses a value."""
    OTHER = enum.auto()


CONCERNS_EVERY_CALL = {
    Failure.CONFLICT,
    Failure.BUSY,
    Failure.DISCONNECTED,
    Failure.NOT_SENT,
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
        repeatable: Whether it may run again after a connection was lost, when nobody knows whether it has run.
        then: The operation that calls go on to if this one finds that there is more to do for them: a read that finds
            something to write. They keep their place in the order of calls, and their deadline.
    """

    name: str
    run: Callable[[ConnectionT, dict[bytes, Any]], Awaitable[Mapping[bytes, Any]]]
    writes: bool
    together: Together = Together.LAST
    repeatable: bool = True
    then: Operation[ConnectionT] | None = None


@dataclass(frozen=True)
class Connector(Generic[ConnectionT]):
    """How to reach the database, and what its errors mean.

    Args:
        connect: A context manager that provides a connection and takes it back.
        discard: Makes a broken connection unusable, so that whoever takes it back throws it away.
        classify: What an error means.
        describe: The error that callers see; called once for each of them.
    """

    connect: Callable[[], AbstractAsyncContextManager[ConnectionT]]
    discard: Callable[[ConnectionT], Awaitable[None]]
    classify: Callable[[Exception], Failure]
    describe: Callable[[Exception], StoreError]
