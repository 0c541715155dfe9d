"""Random schedules: whatever callers and the database do, the promises of the coalescer hold."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from litestar_sqlstores.coalescing import Failure, lanes, statements
from litestar_sqlstores.errors import (
    ClosedError,
    ConflictError,
    InvalidValueError,
    MissingTableError,
    OverloadedError,
    StoreError,
    StoreTimeoutError,
    UnavailableError,
)
from tests.unit.fake_database import Amount, DriverError, FakeDatabase, Statement, assert_at_rest
from tests.unit.loops import LOOPS, LoopFactory, VirtualTimeLoop, run

TIMEOUT = 1.0
BAD = "refused by the database"
VALUES = (b"a", b"b")
NUMBERS = (b"n",)

Action: TypeAlias = Literal["get", "set", "delete", "exchange", "bad", "add", "close"]


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
    takes_effect: Literal["at once", "at its end", "and fails"] = "at its end"


@dataclass(frozen=True)
class Schedule:
    steps: list[Step]
    statements: list[Fate]
    """In the order they arrive; those after these succeed at once."""
    connections: list[Fate]
    seconds_to_give_back: float
    seconds_to_discard: float
    max_lanes: int
    max_writers: int
    shares: int
    max_pending: int
    max_batch_items: int


seconds = st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.06, 0.4, 1.5])
# Most calls are made in bursts.
pauses = st.just(0.0) | st.just(0.0) | seconds
schedules = st.builds(
    Schedule,
    steps=st.lists(
        st.builds(
            Step,
            pause=pauses,
            action=st.sampled_from(["get", "set", "delete", "exchange", "bad"]),
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
            st.sampled_from([None, None, Failure.DISCONNECTED, Failure.CONFLICT, Failure.MISSING_TABLE]),
            st.sampled_from(["at once", "at its end", "and fails"]),
        ),
        max_size=12,
    ),
    connections=st.lists(st.builds(Fate, seconds, st.sampled_from([None, None, Failure.DISCONNECTED])), max_size=4),
    seconds_to_give_back=seconds,
    seconds_to_discard=seconds,
    max_lanes=st.integers(1, 3),
    max_writers=st.integers(1, 3),
    shares=st.integers(1, 2),
    max_pending=st.sampled_from([3, 1000, 1000]),
    max_batch_items=st.sampled_from([1, 2, 512]),
)


@dataclass(eq=False)
class Call:
    """One call, with the number of the event that it started and ended with."""

    step: Step
    serial: int
    start: float
    started_at: float
    end: float = math.inf
    ended_at: float = math.inf
    answer: Any = None
    error: BaseException | None = None

    @property
    def argument(self) -> Any:
        """No two calls have the same, and no two sums of some of them are."""
        match self.step.action:
            case "bad":
                return BAD
            case "add":
                return Amount(2**self.serial)
            case _:
                return (self.step.key, self.serial)

    def leaves(self, value: Any) -> Any:
        """What is under the key after this call, if ``value`` was there before."""
        match self.step.action:
            case "get":
                return value
            case "delete":
                return None
            case "add":
                return (value or 0) + self.argument.amount
            case _:
                # Of "bad" nobody ever reads it: it succeeds only if it travels with a later write for its key.
                return (self.step.key, self.serial)

    def answers(self, value: Any) -> Any:
        """The right answer, if ``value`` was there before."""
        match self.step.action:
            case "get" | "exchange":
                return value
            case "add":
                return self.leaves(value)
            case _:
                return None

    def is_certain(self) -> bool:
        return self.error is None

    def may_have_taken_effect(self) -> bool:
        return self.error is None or (
            self.step.action not in {"get", "bad"}
            # Once a connection was lost, the first try may have had its effect, whatever the second one says.
            and isinstance(self.error, MAYBE_WRITTEN)
        )


@dataclass
class Play:
    """A schedule that is run."""

    schedule: Schedule
    wait: Callable[[float], Awaitable[None]]
    database: FakeDatabase = field(default_factory=FakeDatabase)
    calls: dict[int, Call] = field(default_factory=dict)
    events: itertools.count[int] = field(default_factory=itertools.count)

    async def run(self) -> None:
        schedule, database = self.schedule, self.database
        database.on_statement = self._on_statement
        database.on_connect = self._on_connect
        database.on_release = lambda _: self.wait(schedule.seconds_to_give_back)
        database.on_discard = lambda _: self.wait(schedule.seconds_to_discard)
        self._statements, self._connections = iter(schedule.statements), iter(schedule.connections)
        coalescer = database.coalescer(
            max_lanes=schedule.max_lanes,
            max_writers=min(schedule.max_lanes, schedule.max_writers),
            shares=schedule.shares,
            max_pending=schedule.max_pending,
            timeout=TIMEOUT,
        )
        callers: list[asyncio.Task[None]] = []
        closing = asyncio.create_task(asyncio.sleep(0))
        for serial, step in enumerate(schedule.steps):
            if step.pause:
                await self.wait(step.pause)
            if step.action == "close":
                await closing
                closing = asyncio.create_task(coalescer.close())
                await asyncio.sleep(0)
                with pytest.raises(ClosedError):
                    _ = coalescer.submit(database.get, VALUES[0])
                await (closing if step.patience is None else self.wait(step.patience))
                coalescer.open()
                continue
            operation = getattr(database, "set" if step.action == "bad" else step.action)
            loop = asyncio.get_running_loop()
            call = self.calls[serial] = Call(step, serial, next(self.events), loop.time())
            try:
                future = coalescer.submit(operation, step.key, call.argument)
            except OverloadedError as error:
                call.end, call.ended_at, call.error = next(self.events), loop.time(), error
                continue
            future.add_done_callback(functools.partial(self._ended, call))
            callers.append(asyncio.create_task(self._await(future, step.patience)))
        await asyncio.gather(closing, *callers)
        await assert_at_rest(coalescer, database)

    async def _await(self, future: asyncio.Future[Any], patience: float | None) -> None:
        if patience is not None:
            await self.wait(patience)
            future.cancel()
        await asyncio.wait([future])

    def _ended(self, call: Call, future: asyncio.Future[Any]) -> None:
        assert call.end == math.inf, "answered twice"
        call.end, call.ended_at = next(self.events), asyncio.get_running_loop().time()
        call.error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if call.error is None:
            call.answer = future.result()

    async def _on_connect(self) -> None:
        fate = next(self._connections, Fate())
        await self.wait(fate.seconds)
        if fate.failure:
            raise DriverError(fate.failure)

    async def _on_statement(self, statement: Statement) -> None:
        fate = next(self._statements, Fate())
        refused = BAD in statement.arguments.values()
        works = fate.failure is None or (fate.failure is Failure.DISCONNECTED and fate.takes_effect == "and fails")
        if works and not refused and fate.takes_effect != "at its end":
            statement.take_effect()
        await self.wait(fate.seconds)
        if fate.failure:
            raise DriverError(fate.failure)
        if refused:
            raise DriverError(Failure.BAD_VALUE)


def linearizable(calls: list[Call]) -> bool:
    """Whether some order of the calls for a key, each between its start and its end, explains what was read."""
    hopeless = set()

    def explain(remaining: frozenset[Call], value: Any) -> bool:
        if not any(call.is_certain() for call in remaining):
            return True
        if (remaining, value) in hopeless:
            return False
        first_end = min(end_of(call) for call in remaining)
        for call in remaining:
            # Nothing goes before what had ended when it started.
            if call.start <= first_end:
                explains = not call.is_certain() or call.answer == call.answers(value)
                if explains and explain(remaining - {call}, call.leaves(value)):
                    return True
        hopeless.add((remaining, value))
        return False

    def end_of(call: Call) -> float:
        # A write that nobody waited for may take effect later, or never.
        return call.end if call.is_certain() else math.inf

    return explain(frozenset(call for call in calls if call.may_have_taken_effect()), None)


def in_order(key: bytes, play: Play) -> bool:
    """Whether the writes for a key that succeeded have taken effect in the order of their calls."""
    written = [
        argument.amount.bit_length() - 1 if isinstance(argument, Amount) else argument[1]
        for written_key, argument in play.database.effects
        if written_key == key
    ]
    succeeded = [serial for serial in written if play.calls[serial].is_certain()]
    return succeeded == sorted(succeeded)


MAYBE_WRITTEN = (asyncio.CancelledError, ConflictError, MissingTableError, StoreTimeoutError, UnavailableError)
ALLOWED_ERRORS: dict[bool, tuple[type[StoreError | asyncio.CancelledError], ...]] = {
    False: (
        asyncio.CancelledError,
        ConflictError,
        MissingTableError,
        OverloadedError,
        StoreTimeoutError,
        UnavailableError,
    ),
}
ALLOWED_ERRORS[True] = (*ALLOWED_ERRORS[False], InvalidValueError)


def check(play: Play, *, on_time: bool) -> None:
    schedule, database = play.schedule, play.database
    assert not database.violations
    assert database.most["connections"] <= schedule.max_lanes
    assert database.most["writes"] <= schedule.max_writers
    assert all(len(statement.arguments) <= schedule.max_batch_items for statement in database.statements)
    for call in play.calls.values():
        bad = call.step.action == "bad"
        assert call.end < math.inf, "never answered"
        assert call.error is None or isinstance(call.error, ALLOWED_ERRORS[bad])
        assert not isinstance(call.error, asyncio.CancelledError) or call.step.patience is not None
        if on_time:
            assert call.ended_at - call.started_at <= TIMEOUT + 0.001
    for key in VALUES + NUMBERS:
        assert linearizable([call for call in play.calls.values() if call.step.key == key])
        assert in_order(key, play)
    answered = sum(call.error is None for call in play.calls.values())
    event(f"answered: {answered * 4 // (len(play.calls) or 1)} quarters of the calls")


def eager_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose tasks start where they are made: a call may be on its way before it is made."""
    loop = VirtualTimeLoop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


ALL_LOOPS = {**LOOPS, "eager": eager_loop} if sys.version_info >= (3, 12) else LOOPS


@pytest.mark.parametrize("new_loop", ALL_LOOPS.values(), ids=ALL_LOOPS)
@settings(
    max_examples=150,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(schedule=schedules)
def test_whatever_happens_each_call_is_answered_once_and_rightly(
    new_loop: LoopFactory, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_time = new_loop is not LOOPS.get("uvloop")
    with monkeypatch.context() as patch:
        patch.setattr(lanes, "MAX_BATCH_ITEMS", schedule.max_batch_items)
        patch.setattr(lanes, "MIN_SHARED", 3)
        patch.setattr(statements, "MAX_CONFLICT_RETRIES", 2)
        play = Play(schedule, asyncio.sleep if on_time else yield_control)
        run(play.run(), new_loop)
    check(play, on_time=on_time)


async def yield_control(seconds: float) -> None:
    """Where time cannot be had for nothing: the more seconds, the more others get their turn."""
    for _ in range(math.ceil(seconds * 20)):
        await asyncio.sleep(0)
