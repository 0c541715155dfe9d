"""Waiting for calls that may take too long."""

from __future__ import annotations

import asyncio

import pytest

from litestar_sqlstores.store.patience import Patience

SHORT = 0.05


async def never() -> None:
    await asyncio.Event().wait()


async def after(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def test_the_answer_of_a_call_is_given() -> None:
    patience = Patience(SHORT)
    assert await asyncio.gather(*(patience.wait(after(number / 10_000)) for number in range(100)))
    # The timer of those before has nothing to do with these.
    assert await patience.wait(after(0)) == 0


async def test_calls_that_take_longer_are_cancelled_each_in_its_time() -> None:
    patience = Patience(SHORT)
    loop = asyncio.get_running_loop()
    calls = []
    started = loop.time()
    for _ in range(3):
        calls += [asyncio.ensure_future(patience.wait(never())), asyncio.ensure_future(patience.wait(after(SHORT / 5)))]
        await asyncio.sleep(SHORT / 2)
    late = calls[::2]
    for number, call in enumerate(late):
        with pytest.raises(TimeoutError):
            await call
        assert loop.time() - started >= SHORT + number * SHORT / 2 - 0.005
    assert [await call for call in calls[1::2]] == [SHORT / 5] * 3
    assert not any(call.cancelled() for call in late)


async def test_a_failure_is_that_of_the_call() -> None:
    async def fail() -> None:
        msg = "no"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="no"):
        await Patience(SHORT).wait(fail())


async def test_a_caller_who_is_cancelled_stays_so() -> None:
    patience = Patience(SHORT)
    caller = asyncio.ensure_future(patience.wait(never()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    # Also in the very moment in which the time is up.
    both = asyncio.ensure_future(patience.wait(never()))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(SHORT, both.cancel)
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await both


def test_calls_of_several_event_loops() -> None:
    patience = Patience(SHORT)

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            await patience.wait(never())

    for _ in range(2):
        asyncio.run(wait())


async def test_an_event_loop_that_ended_while_calls_were_waited_for() -> None:
    patience = Patience(10)

    def run() -> None:
        async def leave() -> None:
            task = asyncio.ensure_future(patience.wait(never()))
            await asyncio.sleep(0)
            del task

        asyncio.run(leave())

    await asyncio.to_thread(run)
    assert await patience.wait(after(0)) == 0
