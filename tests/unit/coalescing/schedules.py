"""Random schedules: what callers and the database do, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hypothesis import strategies as st

from litestar_sqlstores.coalescing import Failure

TIMEOUT = 1.0
BAD = "refused by the database"
VALUES = (b"a", b"b")
NUMBERS = (b"n",)

Action: TypeAlias = Literal["get", "touch", "set", "delete", "exchange", "bad", "add", "close"]


@dataclass(frozen=True)
class Step:
    """What a caller does: after a pause, a call, which is cancelled if it takes longer than ``patience``.

    Or it closes the coalescer, and opens it again when it is closed, or at the end of its patience.
    """

    pause: float
    action: Action
    key: bytes
    patience: float | None


@dataclass(frozen=True)
class Fate:
    """What becomes of a statement, or of the wish for a connection."""

    seconds: float = 0
    failure: Failure | None = None
    takes_effect: Literal["at once", "at its end", "and fails", "later"] = "at its end"
    """``later``: when its connection is lost or its time is up, it goes on in the server until it is killed there."""


@dataclass(frozen=True)
class Schedule:
    steps: list[Step]
    statements: list[Fate]
    """In the order they arrive; those after these succeed at once."""
    connections: list[Fate]
    seconds_to_give_back: float
    seconds_to_discard: float
    seconds_to_kill: float
    max_lanes: int
    max_writers: int
    shares: int
    max_pending: int
    max_batch_items: int


FAILURES = [
    None,
    None,
    None,
    Failure.DISCONNECTED,
    Failure.DISCONNECTED,
    Failure.NOT_SENT,
    Failure.READ_ONLY,
    Failure.CONFLICT,
    Failure.MISSING_TABLE,
]
seconds = st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.06, 0.4, 1.5])
# Most calls are made in bursts.
pauses = st.just(0.0) | st.just(0.0) | seconds
schedules = st.builds(
    Schedule,
    steps=st.lists(
        st.builds(
            Step,
            pause=pauses,
            action=st.sampled_from(["get", "touch", "set", "delete", "exchange", "bad"]),
            key=st.sampled_from(VALUES),
            patience=st.none() | seconds,
        )
        | st.builds(
            Step,
            pause=pauses,
            action=st.sampled_from(["get", "add", "add", "delete"]),
            key=st.sampled_from(NUMBERS),
            patience=st.none() | seconds,
        )
        | st.builds(Step, pause=pauses, action=st.just("close"), key=st.just(b""), patience=st.none() | seconds),
        min_size=1,
        max_size=24,
    ),
    statements=st.lists(
        st.builds(
            Fate,
            seconds,
            st.sampled_from(FAILURES),
            st.sampled_from(["at once", "at its end", "and fails", "later"]),
        ),
        max_size=12,
    ),
    connections=st.lists(
        st.builds(Fate, seconds, st.sampled_from([None, None, Failure.DISCONNECTED, Failure.INACCESSIBLE])), max_size=4
    ),
    seconds_to_give_back=seconds,
    seconds_to_discard=seconds,
    seconds_to_kill=seconds.filter(lambda seconds: seconds < TIMEOUT),
    max_lanes=st.integers(1, 3),
    max_writers=st.integers(1, 3),
    shares=st.integers(1, 2),
    max_pending=st.sampled_from([3, 1000, 1000]),
    max_batch_items=st.sampled_from([1, 2, 512]),
)
