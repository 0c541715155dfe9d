"""The search for an order in which the calls on a key could have been made one after another.

That of Wing and Gong, with Lowe's memory of what was tried: a depth-first search over which calls were made already and
what they left behind. A call may come next if no other one that is still to come ended before it began.

A call of unknown outcome may come at any time after its start, or never; but not after a later write of the same
process was made: a store that gives a statement up sees to it that the statement is dead before it writes the key.

Calls that change nothing and fit are taken at once, without trying what else could come first: wherever an order has
them later, they can be moved to here.
"""

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from proofs.linearizability.history import READS, REPLACEMENTS, UNKNOWN, Call
from proofs.linearizability.model import State, transitions

__all__ = ("Result", "Verdict", "check", "check_key")

LIMIT = 1_000_000
"""How many states are looked at before a history counts as undecided."""


class Verdict(enum.Enum):
    LINEARIZABLE = "linearizable"
    VIOLATION = "not linearizable"
    UNDECIDED = "undecided"


class Result(NamedTuple):
    """What is known of the calls on one key."""

    key: str
    verdict: Verdict
    calls: Sequence[Call]
    """If there is no order, the shortest beginning of the history that has none."""

    def describe(self, last: int = 14) -> str:
        """The verdict, and the last calls that led to it."""
        origin = self.calls[0].start if self.calls else 0.0
        shown = sorted(self.calls, key=lambda call: call.end if call.is_known else call.reported)
        lines = [call.describe(origin) for call in shown[-last:]]
        return "\n    ".join([f"{self.key}: {self.verdict.value}, {len(self.calls)} calls, the last of them:", *lines])


def check(calls: Iterable[Call], limit: int = LIMIT) -> Iterator[Result]:
    """The results of those keys whose calls are not linearizable, or undecided; one after another."""
    by_key: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_key[call.key].append(call)
    results = (check_key(each, limit) for each in by_key.values())
    return (result for result in results if result.verdict is not Verdict.LINEARIZABLE)


def check_key(calls: Iterable[Call], limit: int = LIMIT) -> Result:
    """Whether the calls on one key are linearizable."""
    # Reads that failed say nothing.
    kept = sorted((call for call in calls if call.is_known or call.writes), key=lambda call: call.start)
    key = kept[0].key if kept else ""
    verdict = _Search(kept).run(limit)
    if verdict is Verdict.VIOLATION:
        kept = _shortest(kept, limit)
    return Result(key, verdict, kept)


def _shortest(calls: list[Call], limit: int) -> list[Call]:
    """The shortest beginning of a history without an order that has none either."""
    ends = sorted(call.end for call in calls if call.is_known)
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if _Search(_until(calls, ends[middle])).run(limit) is Verdict.VIOLATION:
            high = middle
        else:
            low = middle + 1
    return _until(calls, ends[low])


def _until(calls: list[Call], moment: float) -> list[Call]:
    """What was known at a moment."""
    begun = (call for call in calls if call.start <= moment)
    ended = (
        call if min(call.end, call.reported or UNKNOWN) <= moment else call._replace(end=UNKNOWN, reported=UNKNOWN)
        for call in begun
    )
    return [call for call in ended if call.is_known or call.writes]


class _Search:
    """Calls are known by their number in order of their start; sets of calls are bits of an int."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls
        self._known = sum(1 << number for number, call in enumerate(calls) if call.is_known)
        self._changes_nothing = [
            call.kind in READS or (call.kind == "replace" and call.is_known and not call.answer) for call in calls
        ]
        # For a call of unknown outcome: the writes that it cannot come after.
        self._before = [0 if call.is_known else self._later_writes(call) for call in calls]

    def _later_writes(self, given_up: Call) -> int:
        return sum(
            1 << number
            for number, call in enumerate(self._calls)
            if call.is_known
            and call.kind in REPLACEMENTS
            and not self._changes_nothing[number]
            and call.process == given_up.process
            and call.start >= given_up.reported
        )

    def run(self, limit: int) -> Verdict:
        seen: set[tuple[int, State]] = set()
        stack: list[tuple[int, State]] = [(0, None)]
        while stack:
            made, state = node = stack.pop()
            if made & self._known == self._known:
                return Verdict.LINEARIZABLE
            if node in seen:
                continue
            seen.add(node)
            if len(seen) > limit:
                return Verdict.UNDECIDED
            stack.extend(self._next(made, state))
        return Verdict.VIOLATION

    def _next(self, made: int, state: State) -> list[tuple[int, State]]:
        """What may come next, the most likely one last."""
        candidates, horizon = self._candidates(made)
        found: list[tuple[int, State]] = []
        for number in candidates:
            after = transitions(state, self._calls[number], horizon)
            if self._changes_nothing[number] and after == [state]:
                return [(made | 1 << number, state)]
            found.extend((made | 1 << number, each) for each in reversed(after))
        return found

    def _candidates(self, made: int) -> tuple[list[int], float]:
        """The calls that may come next, those that end first last, and when the first of them ends."""
        horizon = UNKNOWN
        found: list[int] = []
        number = (~made & (made + 1)).bit_length() - 1
        while number < len(self._calls) and (call := self._calls[number]).start <= horizon:
            if not made >> number & 1 and not self._before[number] & made:
                found.append(number)
                horizon = min(horizon, call.end)
            number += 1
        found.sort(key=lambda number: self._calls[number].end, reverse=True)
        return found, horizon
