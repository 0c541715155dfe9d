"""Recorded histories: of a store that keeps its promises, and of stores that are broken on purpose."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from proofs.histories.callers import KINDS, Caller
from proofs.linearizability import Call, Verdict, check
from tests.proofs.memory import BROKEN, MemoryStore
from tests.unit.loops import run

CALLERS = 24
CALLS = 150


async def record(store: MemoryStore, seed: int) -> list[Call]:
    callers = [Caller(store, number % 3, number, Random(f"{seed} {number}")) for number in range(CALLERS)]

    async def work(caller: Caller) -> None:
        for _ in range(CALLS):
            await caller.call()

    await asyncio.gather(*map(work, callers))
    return [call for caller in callers for call in caller.calls]


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_keeps_its_promises_passes(seed: int) -> None:
    calls = run(record(MemoryStore(seed), seed))
    assert len(calls) == CALLERS * CALLS
    assert {call.kind for call in calls} == set(KINDS)
    assert not all(call.is_known for call in calls)
    assert [result.describe() for result in check(calls)] == []


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_store_is_caught(broken: type[MemoryStore]) -> None:
    assert any(result.verdict is Verdict.VIOLATION for result in check(run(record(broken(1), 1))))


def test_values_are_nobody_elses() -> None:
    calls = run(record(MemoryStore(1), 1))
    values = [call.value for call in calls if call.value is not None]
    assert len(set(values)) == len(values)
