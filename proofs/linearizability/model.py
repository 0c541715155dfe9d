"""What calls do to an entry, one after another: the sequential specification.

Expiry is the database's business, and its clock is read at some moment within the call. So a model of an entry knows
between which moments it expires, and each answer that depends on it narrows that down.

One thing is allowed that a strict model forbids. A renewal that is judged just before the expiry commits just after it;
who reads in between, without a lock, finds the entry expired, and then it lives on. To close that gap, reads would have
to wait for writes. The model lets a read that overlaps the renewal miss the entry, but only within `COMMIT` of the old
expiry: a renewal that waits longer, for a lock say, must not bring an entry back.

And one follows from what is promised: a renewal whose reply was lost is repeated. If it takes longer than the life that
it gave, it finds nothing in the end.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from proofs.linearizability.history import Call, Kind

__all__ = ("CLOCK", "COMMIT", "Entry", "State", "transitions")

CLOCK = 0.002
"""Seconds; how far a moment may be off, as some databases count milliseconds."""
COMMIT = 0.15
"""Seconds that a commit may take on a busy machine."""
NEVER = float("inf")
TOLERANCE, MAX_TOLERANCE = 0.01, 60.0
"""How far an expiry may be off before it is written again: the store's default `renew_tolerance`."""


class Entry(NamedTuple):
    """An entry that nobody has seen expire."""

    value: bytes
    earliest: float = NEVER
    """It expires at this moment at the earliest."""
    latest: float = NEVER
    missed_from: float = NEVER
    """Reads that overlap the renewal before may have missed it: those that end after this,"""
    missed_until: float = 0.0
    """and start before this."""


State: TypeAlias = "Entry | None"


def transitions(state: State, call: Call, horizon: float) -> list[State]:
    """The states that a call may leave behind; none if it cannot have given its answer.

    Args:
        state: What there is when it takes effect.
        call: The call.
        horizon: When it has taken effect at the latest: the first end of those that are still to come.
    """
    until = call.end if call.is_known else horizon
    return list(_RULES[call.kind](state, call, until))


def _alive(state: State, call: Call) -> State:
    """The entry, if the call may find it alive, and what that says of its expiry."""
    if state is None or state.latest <= call.start - CLOCK:
        return None
    earliest = call.start - CLOCK
    return state if state.earliest >= earliest else state._replace(earliest=earliest)


def _may_be_dead(state: State, until: float) -> bool:
    return state is None or state.earliest <= until + CLOCK


def _dead(state: State, call: Call, until: float) -> Iterator[State]:
    """What is left if the call found nothing alive."""
    if _may_be_dead(state, until):
        yield None
    if state is not None and call.start < state.missed_until and until + CLOCK >= state.missed_from:
        yield state


def _stored(value: bytes, call: Call, until: float) -> State:
    if call.ttl is None:
        return Entry(value)
    if call.ttl <= 0:
        return None
    return Entry(value, *_deadline(call.ttl, call, until))


def _deadline(ttl: float, call: Call, until: float) -> tuple[float, float]:
    tolerance = min(int(ttl * 1000 * TOLERANCE) / 1000, MAX_TOLERANCE)
    return call.start + ttl - tolerance - CLOCK, until + ttl + tolerance + CLOCK


def _renewed(before: Entry, value: bytes, call: Call, until: float) -> Iterator[State]:
    """An entry with a new expiry, and what becomes of it if it expires while the call is under way."""
    after = _stored(value, call, until)
    if after is None or before.earliest > until + CLOCK:
        yield after
    else:
        missed_until = min(until, before.latest + COMMIT)
        yield after._replace(missed_from=before.earliest, missed_until=missed_until)


def _get(state: State, call: Call, until: float) -> Iterator[State]:
    if call.answer is None:
        yield from _dead(state, call, until)
    elif (alive := _alive(state, call)) is not None and alive.value == call.answer:
        yield alive


def _get_and_renew(state: State, call: Call, until: float) -> Iterator[State]:
    if call.is_known and call.answer is None:
        yield from _dead(state, call, until)
        yield from _outlived(state, call, until)
    elif (alive := _alive(state, call)) is not None and (not call.is_known or alive.value == call.answer):
        yield from _renewal(alive, call, until)


def _renew(state: State, call: Call, until: float) -> Iterator[State]:
    if call.is_known and not call.answer:
        yield from _dead(state, call, until)
        yield from _outlived(state, call, until)
    elif (alive := _alive(state, call)) is not None:
        yield from _renewal(alive, call, until)


def _renewal(alive: Entry, call: Call, until: float) -> Iterator[State]:
    if alive.earliest == NEVER:
        yield alive
        return
    yield from _renewed(alive, alive.value, call, until)
    if alive.earliest <= until + CLOCK:  # it expired after it was read and before the renewal was written
        yield alive._replace(latest=min(alive.latest, until + CLOCK))


def _outlived(state: State, call: Call, until: float) -> Iterator[State]:
    """What is left if the reply to a renewal was lost, and it was repeated when what it had renewed had expired."""
    alive = _alive(state, call)
    if alive is not None and alive.earliest != NEVER and call.ttl is not None:
        earliest, _ = _deadline(call.ttl, call, until)
        if earliest <= until:
            yield None


def _remaining(state: State, call: Call, until: float) -> Iterator[State]:
    if call.answer is None:
        yield from _dead(state, call, until)
        return
    alive, seconds = _alive(state, call), int(call.answer)
    if alive is None:
        return
    if seconds == -1:
        fits = alive.earliest == NEVER
    else:
        fits = alive.earliest - until - 1 - CLOCK <= seconds <= alive.latest - call.start + CLOCK
    if fits:
        yield alive


def _set(state: State, call: Call, until: float) -> Iterator[State]:
    assert call.value is not None
    yield _stored(call.value, call, until)


def _delete(_: State, __: Call, ___: float) -> Iterator[State]:
    yield None


def _increment(state: State, call: Call, until: float) -> Iterator[State]:
    if (alive := _alive(state, call)) is not None:
        total = int(alive.value) + call.by
        if not call.is_known or total == call.answer:
            yield alive._replace(value=b"%d" % total)
    if _may_be_dead(state, until) and (not call.is_known or call.by == call.answer):
        yield _stored(b"%d" % call.by, call, until)


def _replace(state: State, call: Call, until: float) -> Iterator[State]:
    assert call.value is not None
    alive = _alive(state, call)
    matches = alive is not None and call.expected in {None, alive.value}
    if not call.is_known or call.answer:
        if alive is not None and matches:
            yield from _renewed(alive, call.value, call, until)
        return
    yield from _dead(state, call, until)
    if alive is not None and not matches:
        yield alive


_RULES: dict[Kind, Callable[[State, Call, float], Iterator[State]]] = {
    "get": _get,
    "get_and_renew": _get_and_renew,
    "remaining": _remaining,
    "set": _set,
    "delete": _delete,
    "renew": _renew,
    "increment": _increment,
    "replace": _replace,
}
