"""Random schedules: whatever callers and the database do, the promises of the coalescer hold."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from litestar_sqlstores.coalescing import lanes, statements
from litestar_sqlstores.errors import (
    ConflictError,
    InvalidValueError,
    MissingTableError,
    OverloadedError,
    StoreError,
    StoreTimeoutError,
    UnavailableError,
)
from tests.unit.coalescing.plays import Call, Play
from tests.unit.coalescing.schedules import NUMBERS, TIMEOUT, VALUES, Schedule, schedules
from tests.unit.fake_database import Amount
from tests.unit.loops import LOOPS, LoopFactory, VirtualTimeLoop, run


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
    """Whether the writes for a key have taken effect in the order of their calls, also those that were given up."""
    written = [call.serial for call in written_by(play) if call.step.key == key]
    return written == sorted(written)


def written_by(play: Play) -> list[Call]:
    """The calls that have taken effect, in order; of several sums in one statement, the last one."""
    return [
        play.calls[argument.amount.bit_length() - 1 if isinstance(argument, Amount) else argument[1]]
        for _, argument in play.database.effects
        if isinstance(argument, (Amount, tuple))
    ]


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
    assert all(call.may_have_taken_effect() for call in written_by(play)), "what is said to have had no effect has one"
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
