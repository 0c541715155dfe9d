"""What the tests of the coalescer share, beside the database that they run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from litestar_sqlstores.coalescing import Home, Operation
from tests.unit.fake_database import Connection

A, B, C, D, E = (letter.encode() for letter in "abcde")


def keys(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


def submit_all(
    coalescer: Home[Connection], operation: Operation[Connection], keys: Iterable[bytes], argument: Any = None
) -> list[asyncio.Future[Any]]:
    return [coalescer.submit(operation, key, argument) for key in keys]


async def outcomes(calls: Iterable[asyncio.Future[Any]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def types(answers: Iterable[Any]) -> list[type]:
    return [type(answer) for answer in answers]


def stopwatch() -> Callable[[], float]:
    """Start one; what it returns says how many seconds have passed since, to the millisecond."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    return lambda: round(loop.time() - start, 3)
