"""A primary goes, its standby takes over, and a store with both in its URL goes on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import StoreError, create_store
from tests.servers import HOST, PostgresServer, PostgresStandby, require
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.backends import Store

CALLERS = 64
QUICK = {"fsync": "off", "max_connections": "100"}


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, PostgresStandby]]:
    with (
        require(lambda: PostgresServer(QUICK)) as primary,
        require(lambda: PostgresStandby(primary, {**QUICK, "hot_standby": "on"})) as standby,
    ):
        # What is acknowledged is on the standby, too, so that none of it may be missing afterwards.
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        yield primary, standby


class Callers:
    """Callers that write and read ever higher numbers, and what became of that."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.confirmed = [0] * CALLERS
        self.attempted = [0] * CALLERS
        self.write_errors: list[StoreError] = []
        self.read_errors: list[StoreError] = []
        self.stopped = False

    async def call(self, number: int) -> None:
        key = f"caller {number}"
        while not self.stopped:
            self.attempted[number] += 1
            try:
                await self._store.set(key, str(self.attempted[number]))
                self.confirmed[number] = self.attempted[number]
            except StoreError as error:
                self.write_errors.append(error)
            try:
                found = await self._store.get(key, renew_for=100 + self.attempted[number])
            except StoreError as error:
                self.read_errors.append(error)
            else:
                assert found is not None
                assert self.confirmed[number] <= int(found) <= self.attempted[number]

    async def progress(self) -> None:
        before = list(self.confirmed)

        async def all_have() -> bool:
            return all(now > then for now, then in zip(self.confirmed, before, strict=True))

        await until(all_have)


async def test_a_standby_is_promoted_under_load(pair: tuple[PostgresServer, PostgresStandby]) -> None:
    primary, standby = pair
    url = f"postgresql://postgres@{HOST}:{primary.port},{HOST}:{standby.port}/postgres"
    async with create_store(url, timeout=PATIENCE) as store:
        await store.create_table()
        callers = Callers(store)
        tasks = [asyncio.create_task(callers.call(number)) for number in range(CALLERS)]
        await callers.progress()
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.promote)
        promoted = time.monotonic()
        await callers.progress()
        assert time.monotonic() - promoted < PATIENCE / 2
        callers.stopped = True
        await asyncio.gather(*tasks)

        assert callers.read_errors == []
        assert all(error.outcome_unknown for error in callers.write_errors)
        # Only what was under way when the primary went; what came later waited for the standby.
        assert len(callers.write_errors) <= CALLERS
        found = await store.get_many(f"caller {number}" for number in range(CALLERS))
        assert all(int(found[f"caller {number}"]) >= value for number, value in enumerate(callers.confirmed))
