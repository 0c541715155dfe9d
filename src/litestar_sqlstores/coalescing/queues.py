"""The calls that wait, and which of them may travel next."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from typing import Any, Generic, TypeVar

from litestar_sqlstores.coalescing.calls import Call
from litestar_sqlstores.coalescing.operations import Operation, Together
from litestar_sqlstores.coalescing.queue import MAX_BATCH_BYTES, Queue, SerialQueue

__all__ = ("MAX_BATCH_BYTES", "MAX_BATCH_ITEMS", "Queues")

ConnectionT = TypeVar("ConnectionT")

MAX_BATCH_ITEMS = 512


class Queues(Generic[ConnectionT]):
    """A queue for each operation, with its calls in the order they were made."""

    def __init__(self) -> None:
        self._queues: dict[Operation[ConnectionT], Queue] = {}
        self._numbers = itertools.count()
        self.waiting = 0
        """How many calls there are, with those that were cancelled and not found out yet."""

    def add(self, operation: Operation[ConnectionT], call: Call) -> None:
        """Put a new call behind the others."""
        call.number = next(self._numbers)
        self._of(operation).append(call)
        self.waiting += 1

    def _of(self, operation: Operation[ConnectionT]) -> Queue:
        queue = self._queues.get(operation)
        if queue is None:
            queue = SerialQueue() if operation.together is Together.APART else Queue()
            self._queues[operation] = queue
        return queue

    def put_back(self, operation: Operation[ConnectionT], calls: Collection[Call]) -> None:
        """Have calls wait again, each where it was."""
        self.waiting += self._of(operation).put_back(calls)

    def operations(self) -> list[Operation[ConnectionT]]:
        """The operations that calls wait for, the one with the oldest call first."""
        heads = {head.number: operation for operation, queue in self._queues.items() if (head := queue.head())}
        return [operation for _, operation in sorted(heads.items())]

    def length(self, operation: Operation[ConnectionT]) -> int:
        """How many calls wait for an operation."""
        return len(self._queues[operation])

    def oldest_deadline(self, operation: Operation[ConnectionT]) -> float:
        """When the time of the oldest call for an operation runs out; never if none waits."""
        head = self._queues[operation].head()
        return math.inf if head is None else head.deadline

    def take(self, operation: Operation[ConnectionT], limit: int, writing: Collection[bytes]) -> list[Call]:
        """Take the calls that may travel in one statement.

        Args:
            operation: The kind of statement.
            limit: How many to take at most.
            writing: The keys that other statements write now: what else is to be written there waits.
        """
        queue = self._queues[operation]
        before = len(queue)
        if operation.writes:
            calls = queue.take(limit, writing, self._turns_of_others(operation))
        else:
            calls = queue.take(limit, (), {})
        self.waiting -= before - len(queue)
        return calls

    def _turns_of_others(self, operation: Operation[Any]) -> dict[bytes, int]:
        """The first write of another kind that waits for each key."""
        turns: dict[bytes, int] = {}
        for other, queue in self._queues.items():
            if other.writes and other is not operation:
                for call in queue.first_of_keys():
                    turns[call.key] = min(call.number, turns.get(call.key, call.number))
        return turns

    def drop_cancelled(self) -> None:
        """Forget the calls that nobody waits for any more."""
        for queue in self._queues.values():
            self.waiting -= queue.drop_cancelled()

    def take_overdue(self, now: float) -> Iterator[Call]:
        """Take the calls whose time is up, or that were cancelled."""
        for queue in self._queues.values():
            while (head := queue.head()) and (head.done() or head.deadline <= now):
                queue.pop_head()
                self.waiting -= 1
                yield head

    def take_all(self) -> Iterator[Call]:
        """Take every call."""
        for queue in self._queues.values():
            while head := queue.head():
                queue.pop_head()
                self.waiting -= 1
                yield head

    def deadlines(self) -> list[float]:
        """When the time of the oldest call for each operation is up."""
        return [head.deadline for queue in self._queues.values() if (head := queue.head())]
