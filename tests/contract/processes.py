"""What tests run in processes of their own. Processes import nothing but this file and what it needs."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from litestar_sqlstores import create_store
from litestar_sqlstores.factory import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 8


@contextmanager
def worker_processes() -> Iterator[ProcessPoolExecutor]:
    """Eight processes that have imported everything: forked from a server that has done so."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *(backend.store.partition(":")[0] for backend in BACKENDS)])
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=_end_with_the_tests) as pool:
        yield pool


def _end_with_the_tests() -> None:
    """Do not outlive the tests, however they end."""

    def watch() -> None:
        tests = multiprocessing.parent_process()
        assert tests
        tests.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def create_table(url: str, options: dict[str, Any], start_at: float) -> str | None:
    """Make a table, at the same moment as the others; returns what went wrong."""

    async def run() -> None:
        async with create_store(url, **options) as store:
            await asyncio.sleep(max(0.0, start_at - time.time()))
            await store.create_table()
            await store.set("key", b"1")
            assert await store.get("key") == b"1"

    try:
        asyncio.run(run())
    except Exception as error:  # noqa: BLE001 - the test shows it
        return f"{error!r} from {error.__cause__!r}"
    return None


def count_up(url: str, options: dict[str, Any], keys: list[str], rounds: int, start_at: float) -> str | None:
    """Write, renew, read and delete the same keys as the others, many at a time; returns what went wrong."""

    async def run() -> None:
        async with create_store(url, **options) as store:
            await asyncio.sleep(max(0.0, start_at - time.time()))
            for number in range(rounds):
                await store.set_many(dict.fromkeys(keys, str(number)), expires_in=100)
                await asyncio.gather(
                    store.renew_many(keys, 200 + number),
                    *(store.get(key, renew_for=300 + number) for key in reversed(keys)),
                    *(store.set(key, str(number), expires_in=50) for key in keys[::2]),
                    store.delete_many(keys[::3]),
                )

    try:
        asyncio.run(run())
    except Exception as error:  # noqa: BLE001 - the test shows it
        return f"{error!r} from {error.__cause__!r}"
    return None
