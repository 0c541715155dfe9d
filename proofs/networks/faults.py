"""What a network does, and when."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, TypeAlias

from proofs.proxy import Mode, Proxy

__all__ = ("FAULTS", "PHASES", "Phase")

Phase: TypeAlias = Literal["connect", "statement", "release", "close"]
PHASES: tuple[Phase, ...] = ("connect", "statement", "release", "close")


@asynccontextmanager
async def _in_mode(proxy: Proxy, mode: Mode) -> AsyncIterator[None]:
    proxy.mode = mode
    try:
        yield
    finally:
        proxy.mode = "pass"


@asynccontextmanager
async def _slow(proxy: Proxy) -> AsyncIterator[None]:
    proxy.delay = 0.1
    try:
        yield
    finally:
        proxy.delay = 0.0


@asynccontextmanager
async def _refusing(proxy: Proxy) -> AsyncIterator[None]:
    proxy.refuses = True
    proxy.reset()
    try:
        yield
    finally:
        proxy.refuses = False


@asynccontextmanager
async def _resetting(proxy: Proxy) -> AsyncIterator[None]:
    async def reset() -> None:
        while True:
            proxy.reset()
            await asyncio.sleep(0.1)

    task = asyncio.ensure_future(reset())
    try:
        yield
    finally:
        task.cancel()


FAULTS: Mapping[str, Callable[[Proxy], AbstractAsyncContextManager[None]]] = {
    "swallows everything": lambda proxy: _in_mode(proxy, "swallow"),
    "swallows replies": lambda proxy: _in_mode(proxy, "swallow replies"),
    "loses replies": lambda proxy: _in_mode(proxy, "lose replies"),
    "cuts replies": lambda proxy: _in_mode(proxy, "cut replies"),
    "delays": _slow,
    "refuses": _refusing,
    "resets": _resetting,
}
