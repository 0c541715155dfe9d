"""The calls that wait, and which of them may travel next."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any, Generic, TypeVar

from litestar_sqlstores.coalescing.calls import Call
from litestar_sqlstores.coalescing.operations import Operation, Together

__all__ = ("MAX_BATCH_BYTES", "MAX_BATCH_ITEMS", "Queues")

ConnectionT = TypeVar("ConnectionT")

MAX_BATCH_ITEMS = 512
MAX_BATCH_BYTES = 4 * 1024 * 1024


class Queues(Generic[ConnectionT]):
    """A queue for each operation, with its calls in the order they were made."""

    def __init__(self) -> None:
        self._queues: dict[Operation[ConnectionT], deque[Call]] = {}
        self._numbers = itertools.count()
        self.waiting = 0
        """How many calls there are, with those that were cancelled and not found out yet."""

    def add(self, operation: Operation[ConnectionT], call: Call) -> None:
        """Put a new call behind the others."""
        call.number = next(self._numbers)
        queue = self._queues.get(operation)
        if queue is None:
            queue = self._queues[operation] = deque()
        queue.append(call)
        self.waiting += 1

    def put_back(self, operation: Operation[ConnectionT], calls: Collection[Call]) -> None:
        """Have calls wait again, each where it was."""
        queue = self._queues.get(operation)
        if not queue:
            # They were taken in this order.
            self._queues[operation] = deque(calls)
            self.waiting += len(calls)
            return
        waiting = set(queue)
        again = waiting.union(calls)
        self._queues[operation] = deque(sorted(again, key=lambda call: call.number))
        self.waiting += len(again) - len(waiting)

    def operations(self) -> list[Operation[ConnectionT]]:
        """The operations that calls wait for, the one with the oldest call first."""
        heads = {queue[0].number: operation for operation, queue in self._queues.items() if queue}
        return [operation for _, operation in sorted(heads.items())]

    def length(self, operation: Operation[ConnectionT]) -> int:
        """How many calls wait for an operation."""
        return len(self._queues[operation])

    def take(self, operation: Operation[ConnectionT], limit: int, writing: Collection[bytes]) -> list[Call]:
        """Take the calls that may travel in one statement.

        Args:
            operation: The kind of statement.
            limit: How many to take at most.
            writing: The keys that other statements write now: what else is to be written there waits.
        """
        queue = self._queues[operation]
        calls: list[Call] = []
        size = 0
        # Keys that another call may not join.
        taken = set(writing) if operation.writes else set[bytes]()
        turns = self._turns_of_others(operation) if operation.writes else {}
        held_back: list[Call] = []
        while queue and len(calls) < limit:
            call = queue[0]
            if calls and size + call.size > MAX_BATCH_BYTES:
                break
            del queue[0]
            if call.done():
                self.waiting -= 1
            elif (taken and call.key in taken) or (turns and turns.get(call.key, call.number) < call.number):
                held_back.append(call)
            else:
                calls.append(call)
                size += call.size
                if operation.together is Together.APART:
                    taken.add(call.key)
        queue.extendleft(reversed(held_back))
        self.waiting -= len(calls)
        return calls

    def _turns_of_others(self, operation: Operation[Any]) -> dict[bytes, int]:
        """The first write of another kind that waits for each key."""
        turns: dict[bytes, int] = {}
        for other, queue in self._queues.items():
            if other.writes and other is not operation:
                for call in queue:
                    if not call.done():
                        turns[call.key] = min(call.number, turns.get(call.key, call.number))
        return turns

    def drop_cancelled(self) -> None:
        """Forget the calls that nobody waits for any more."""
        for queue in self._queues.values():
            wanted = [call for call in queue if not call.done()]
            self.waiting -= len(queue) - len(wanted)
            queue.clear()
            queue.extend(wanted)

    def take_overdue(self, now: float) -> Iterator[Call]:
        """Take the calls whose time is up, or that were cancelled."""
        for queue in self._queues.values():
            while queue and (queue[0].done() or queue[0].deadline <= now):
                self.waiting -= 1
                yield queue.popleft()

    def take_all(self) -> Iterator[Call]:
        """Take every call."""
        for queue in self._queues.values():
            while queue:
                self.waiting -= 1
                yield queue.popleft()

    def deadlines(self) -> list[float]:
        """When the time of the oldest call for each operation is up."""
        return [queue[0].deadline for queue in self._queues.values() if queue]
