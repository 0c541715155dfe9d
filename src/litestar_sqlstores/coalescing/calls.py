"""A call, and the batch of calls that become a statement."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from litestar_sqlstores.coalescing.operations import Operation, Together
from litestar_sqlstores.errors import StoreError

__all__ = ("Batch", "Call")

ConnectionT = TypeVar("ConnectionT")


class Call(asyncio.Future[Any]):
    """The future of an answer, with what was asked; one object and no ``__init__`` of its own, as there are so many."""

    __slots__ = ("argument", "deadline", "key", "number", "size")

    key: bytes
    argument: Any
    size: int
    deadline: float
    number: int
    """Which call it is; the earlier one has the lower number."""

    def answer(self, result: Any) -> None:
        """Answer, unless the caller has gone."""
        if not self.done():
            self.set_result(result)

    def fail(self, error: StoreError) -> None:
        """Fail, unless the caller has gone."""
        if not self.done():
            self.set_exception(error)


class Batch(Generic[ConnectionT]):
    """The calls that travel in one statement.

    Args:
        operation: The kind of statement.
        calls: In the order they were made.
        lane: The task that runs it.
    """

    __slots__ = ("calls", "lane", "operation")

    def __init__(self, operation: Operation[ConnectionT], calls: Sequence[Call], lane: asyncio.Task[None]) -> None:
        self.operation = operation
        self.calls = calls
        self.lane = lane

    def arguments(self) -> dict[bytes, Any]:
        """What the statement is given: an argument a key, in the order in which rows are locked."""
        arguments = {call.key: call.argument for call in self.calls}
        if self.operation.together is Together.SUM and len(arguments) < len(self.calls):
            arguments.clear()
            for call in self.calls:
                before = arguments.get(call.key)
                arguments[call.key] = call.argument if before is None else before + call.argument
        return dict(sorted(arguments.items())) if self.operation.writes and len(arguments) > 1 else arguments

    def answer(self, results: Mapping[bytes, Any]) -> None:
        """Answer the calls from what the statement found, by key."""
        if self.operation.together is not Together.SUM:
            for call in self.calls:
                if not call.done():
                    call.set_result(results.get(call.key))
            return
        sums = dict(results)
        for call in reversed(self.calls):
            call.answer(sums[call.key])
            sums[call.key] -= call.argument.amount

    def unanswered(self) -> list[Call]:
        """The calls that somebody still waits for."""
        return [call for call in self.calls if not call.done()]
