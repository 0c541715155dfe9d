"""ScheduledCleanup: what has expired goes, whatever happens."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import ScheduledCleanup
from litestar_sqlstores.cleanup import MAX_BACKOFF
from litestar_sqlstores.errors import ConfigurationError, UnavailableError
from litestar_sqlstores.settings import Settings
from tests.backends import rows
from tests.waiting import until
from tests.wiring.helpers import new_plugin, serve

if TYPE_CHECKING:
    from tests.backends import Database, Store, Stores


async def fill(store: Store, expired: int, live: int) -> None:
    await store.set_many({f"expired {number}": b"1" for number in range(expired)}, expires_in=0.001)
    await store.set_many({f"live {number}": b"1" for number in range(live // 2)}, expires_in=1000)
    await store.set_many({f"for ever {number}": b"1" for number in range(live // 2)})
    await asyncio.sleep(0.01)


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(each.levelno, each.getMessage()) for each in caplog.records if each.name == "litestar_sqlstores"]


@pytest.mark.needs("processes")
@pytest.mark.formats("bytes")
async def test_what_has_expired_goes_while_the_application_runs(
    database: Database, data_format: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "litestar_sqlstores")
    async with serve(new_plugin(database, data_format, cleanup=0.05), []) as site:
        for name in ("sessions", "response_cache"):
            await fill(site.store(name), 20, 4)
        await until_removed(caplog, 40)
        assert len(await site.rows("namespace")) == 8


@pytest.mark.needs("processes")
@pytest.mark.formats("bytes")
async def test_any_number_of_workers_clean_at_once(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "litestar_sqlstores")
    workers = [stores() for _ in range(4)]
    await workers[0].create_table()
    await fill(workers[0], 600, 100)
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(ScheduledCleanup(worker, 0.01, batch_size=50))
        await until_removed(caplog, 600)
    assert len(await rows(workers[0], "namespace")) == 100


async def until_removed(caplog: pytest.LogCaptureFixture, expected: int) -> None:
    """Wait until cleanups say that they have removed so many, and nothing else."""
    pattern = re.compile(r"cleanup removed (\d+) expired entries in \d+\.\d s")

    async def removed() -> bool:
        found = [(level, pattern.fullmatch(text)) for level, text in messages(caplog)]
        assert all(level == logging.INFO and match for level, match in found), messages(caplog)
        return sum(int(match[1]) for _, match in found if match) == expected

    await until(removed)


async def test_it_can_be_left_to_others(tmp_path: Any) -> None:
    def cleanups() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if "cleanup" in task.get_name()]

    from litestar_sqlstores import SQLStoresPlugin

    async with serve(SQLStoresPlugin(f"sqlite:///{tmp_path}/app.db", cleanup=False), []):
        assert cleanups() == []
    async with serve(SQLStoresPlugin(f"sqlite:///{tmp_path}/app.db"), []):
        assert cleanups() == ["litestar-sqlstores cleanup"]
    assert cleanups() == []


class FakeStore:
    """What a cleanup needs of a store."""

    settings = Settings()

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0
        self.called = asyncio.Event()

    async def delete_expired(self, batch_size: int) -> int:
        self.calls += 1
        self.called.set()
        if not self.outcomes:
            await asyncio.get_running_loop().create_future()
        outcome: int | Exception = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a cleanup would have slept."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("litestar_sqlstores.cleanup.asyncio.sleep", sleep)
    return found


async def run(outcomes: list[Any], **options: Any) -> None:
    """Clean so many times, and once more without an end; then stop, which must not wait for that."""
    store: Any = FakeStore(*outcomes)
    async with ScheduledCleanup(store, **{"interval": 10, **options}):
        await until_called(store, len(outcomes) + 1)


async def until_called(store: FakeStore, times: int) -> None:
    while store.calls < times:
        store.called.clear()
        await store.called.wait()


async def test_errors_are_survived_and_make_it_wait_longer(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    error = UnavailableError("the database cannot be reached")
    await run([error] * (MAX_BACKOFF + 2) + [5, error, 0], jitter=0)
    assert 0 <= pauses[0] <= 10
    assert pauses[1:] == [20, 40, 80, 160, 320, 640, 640, 640, 10, 20, 10]
    failed = (logging.WARNING, "cleanup failed and will be tried again: the database cannot be reached")
    assert [each for each in messages(caplog) if each[0] > logging.INFO] == [failed] * (MAX_BACKOFF + 3)
    assert [each.exc_info for each in caplog.records if each.levelno == logging.WARNING] == [None] * (MAX_BACKOFF + 3)


async def test_even_errors_that_nobody_expects_are_survived(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    await run([ZeroDivisionError("what?"), 1], jitter=0)
    assert pauses[1:] == [20, 10]
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


async def test_it_logs_what_it_did(pauses: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "litestar_sqlstores")
    await run([1500, 0])
    assert messages(caplog) == [
        (logging.INFO, "cleanup removed 1500 expired entries in 0.0 s"),
        (logging.DEBUG, "cleanup removed 0 expired entries in 0.0 s"),
    ]


async def test_workers_spread_out(pauses: list[float]) -> None:
    for _ in range(20):
        await run([0, 0])
    first, later = pauses[::3], [*pauses[1::3], *pauses[2::3]]
    assert all(0 <= pause <= 10 for pause in first)
    assert all(8 <= pause <= 12 for pause in later)
    assert len(set(pauses)) == len(pauses)


async def test_it_stops_at_once_while_it_waits() -> None:
    store: Any = FakeStore()
    cleanup = ScheduledCleanup(store, 100_000)
    async with cleanup:
        await asyncio.sleep(0)
    assert store.calls == 0


async def test_who_stops_it_can_be_cancelled(pauses: list[float]) -> None:
    class Stubborn(FakeStore):
        async def delete_expired(self, batch_size: int) -> int:
            try:
                return await super().delete_expired(batch_size)
            finally:
                await release.wait()

    release = asyncio.Event()
    store: Any = Stubborn()

    async def live() -> None:
        async with ScheduledCleanup(store, 1):
            await until_called(store, 1)

    life = asyncio.create_task(live())
    await until_called(store, 1)
    for _ in range(5):
        await asyncio.wait([life], timeout=0.001)
    life.cancel()
    await asyncio.wait([life])
    assert life.cancelled()
    release.set()


@pytest.mark.parametrize(
    "options, text",
    [
        ({"interval": 0}, "interval is 0; give a positive number of seconds, or a timedelta"),
        ({"interval": "1h"}, "interval is '1h'; give a positive number of seconds, or a timedelta"),
        ({"jitter": 2}, "jitter is 2; give a number from 0 to 1"),
    ],
)
async def test_wrong_options_are_named(options: dict[str, Any], text: str) -> None:
    store: Any = FakeStore()
    with pytest.raises(ConfigurationError) as caught:
        ScheduledCleanup(store, **options)
    assert str(caught.value) == text
