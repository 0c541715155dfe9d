"""Event loops to test on: one in which waiting takes no time, and uvloop where it is installed."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeAlias, TypeVar

import pytest

from tests.unit.fake_database import FakeDatabase

P = ParamSpec("P")
T = TypeVar("T")
LoopFactory: TypeAlias = "Callable[[], asyncio.AbstractEventLoop]"


class _SkippingSelector(selectors.SelectSelector):
    """Where others wait, this one puts its clock forward."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                msg = "everything waits, and nothing that would end it is scheduled"
                raise RuntimeError(msg)
            self.now += max(0, timeout)
        # As any clock, it never stands still: somebody may wait for the last moment of a period.
        self.now += 1e-12
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with a clock that jumps to the next timer when nothing else is left to do.

    So timeouts of seconds pass at once, and times can be compared exactly. What waits for nothing is an error.
    """

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


LOOPS: dict[str, LoopFactory] = {"asyncio": VirtualTimeLoop}
try:
    import uvloop
except ImportError:  # not for every Python and system
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop


def run(main: Coroutine[Any, Any, T], new_loop: LoopFactory = VirtualTimeLoop) -> T:
    """Run ``main``; fails if anything is left that asyncio complains about, such as an exception nobody looked at."""
    complaints: list[dict[str, Any]] = []
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            result = runner.run(main)
    finally:
        gc.collect()
    assert not complaints
    return result


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test where waiting takes no time; at its end, its database is to be at rest."""

    @functools.wraps(test)
    def run_test(*args: P.args, **kwargs: P.kwargs) -> None:
        run(_run_to_rest(test, *args, **kwargs))

    return run_test


def on_every_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test that does not look at the clock on each of LOOPS; at its end, its database is to be at rest."""

    @functools.wraps(test)
    def run_test(*args: Any, new_loop: LoopFactory, **kwargs: Any) -> None:
        run(_run_to_rest(test, *args, **kwargs), new_loop)

    signature = inspect.signature(test)
    new_loop = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    run_test.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), new_loop]
    )
    on_each: Callable[[Callable[..., None]], Callable[..., None]] = pytest.mark.parametrize(
        "new_loop", LOOPS.values(), ids=LOOPS
    )
    return on_each(run_test)


async def _run_to_rest(test: Callable[P, Coroutine[Any, Any, None]], *args: P.args, **kwargs: P.kwargs) -> None:
    await test(*args, **kwargs)
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, FakeDatabase):
            await argument.assert_at_rest()


async def settle() -> None:
    """Let everything happen that can happen while no time passes."""
    for _ in range(50):
        await asyncio.sleep(0)
