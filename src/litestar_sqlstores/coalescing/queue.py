"""The calls that wait for one operation, in the order they were made."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from litestar_sqlstores.coalescing.calls import Call

__all__ = ("MAX_BATCH_BYTES", "Queue", "SerialQueue")

MAX_BATCH_BYTES = 4 * 1024 * 1024


class Queue:
    """Calls of which several for one key may travel in one statement."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def append(self, call: Call) -> None:
        """Put a new call behind the others."""
        self._calls.append(call)

    def put_back(self, calls: Collection[Call]) -> int:
        """Have calls wait again, each where it was; how many did not wait already."""
        if not self._calls:
            # They were taken in this order.
            self._calls.extend(calls)
            return len(calls)
        before = len(self._calls)
        again = set(self._calls).union(calls)
        self._calls = deque(sorted(again, key=_number))
        return len(again) - before

    def head(self) -> Call | None:
        """The oldest call."""
        return self._calls[0] if self._calls else None

    def pop_head(self) -> None:
        """Take the oldest call away."""
        del self._calls[0]

    def first_of_keys(self) -> Iterator[Call]:
        """The calls that somebody waits for, at least the first one of each key."""
        return (call for call in self._calls if not call.done())

    def drop_cancelled(self) -> int:
        """Forget the calls that nobody waits for any more; how many."""
        wanted = [call for call in self._calls if not call.done()]
        dropped = len(self._calls) - len(wanted)
        self._calls.clear()
        self._calls.extend(wanted)
        return dropped

    def take(self, limit: int, writing: Collection[bytes], turns: Mapping[bytes, int]) -> list[Call]:
        """Take calls for one statement, and forget the cancelled ones among them.

        Args:
            limit: How many to take at most.
            writing: Keys whose calls have to wait.
            turns: For keys, the number of a call of another kind that goes first: earlier ones of ours may travel.
        """
        queue = self._calls
        calls: list[Call] = []
        size = 0
        held_back: list[Call] = []
        while queue and len(calls) < limit:
            call = queue[0]
            if calls and size + call.size > MAX_BATCH_BYTES:
                break
            del queue[0]
            if call.done():
                continue
            if (writing and call.key in writing) or (turns and turns.get(call.key, call.number) < call.number):
                held_back.append(call)
            else:
                calls.append(call)
                size += call.size
        queue.extendleft(reversed(held_back))
        return calls


class SerialQueue(Queue):
    """Calls of which one for a key travels in a statement.

    Those behind it need not be looked at before it is their turn: however many they are, a statement costs the same.
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, deque[Call]] = {}
        # All of them, for the oldest one, with some that have been taken already.
        self._order: deque[Call] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, call: Call) -> None:
        """Put a new call behind the others."""
        if len(self._order) > 2 * self._length + 64:
            self._fill([call for queue in self._keys.values() for call in queue])
        self._order.append(call)
        self._keys.setdefault(call.key, deque()).append(call)
        self._length += 1

    def put_back(self, calls: Collection[Call]) -> int:
        """Have calls wait again, each where it was; how many did not wait already."""
        waiting = {call for queue in self._keys.values() for call in queue}
        self._fill(waiting.union(calls))
        return self._length - len(waiting)

    def head(self) -> Call | None:
        """The oldest call."""
        # The oldest call that waits is the first one of its key.
        while self._order:
            call = self._order[0]
            if (queue := self._keys.get(call.key)) and queue[0] is call:
                return call
            del self._order[0]
        return None

    def pop_head(self) -> None:
        """Take the call that :meth:`head` has found away."""
        self._pop(self._order[0].key)

    def first_of_keys(self) -> Iterator[Call]:
        """The first call of each key that somebody waits for."""
        for queue in self._keys.values():
            yield from islice((call for call in queue if not call.done()), 1)

    def drop_cancelled(self) -> int:
        """Forget the calls that nobody waits for any more; how many."""
        before = self._length
        self._fill([call for queue in self._keys.values() for call in queue if not call.done()])
        return before - self._length

    def take(self, limit: int, writing: Collection[bytes], turns: Mapping[bytes, int]) -> list[Call]:
        """Take calls for one statement, one for a key."""
        calls: list[Call] = []
        size = 0
        for key in list(self._keys):
            if len(calls) >= limit:
                break
            if key in writing:
                continue
            call = self._first(key)
            if call is None or turns.get(key, call.number) < call.number:
                continue
            if calls and size + call.size > MAX_BATCH_BYTES:
                break
            self._pop(key)
            calls.append(call)
            size += call.size
            if key in self._keys:
                # The other keys come first next time.
                self._keys[key] = self._keys.pop(key)
        # By the order they were made in, as the calls of any batch.
        return sorted(calls, key=_number)

    def _first(self, key: bytes) -> Call | None:
        while (queue := self._keys.get(key)) and queue[0].done():
            self._pop(key)
        return queue[0] if queue else None

    def _pop(self, key: bytes) -> None:
        queue = self._keys[key]
        del queue[0]
        self._length -= 1
        if not queue:
            del self._keys[key]

    def _fill(self, calls: Iterable[Call]) -> None:
        self._keys.clear()
        self._order.clear()
        self._length = 0
        for call in sorted(calls, key=_number):
            self.append(call)


def _number(call: Call) -> int:
    return call.number
