"""Many callers at once, in one store, in several, and in several processes."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import InvalidValueError, OverloadedError
from tests.backends import rows
from tests.contract.processes import WORKERS, count_up

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from tests.backends import Backend, Database, Store, Stores

pytestmark = pytest.mark.about("driver")


class Register:
    """What may be read under a key whose values only ever grow.

    A read gives at least what had been written, or read by anybody, before it began; and at most what has been begun to
    be written when it ends.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.least = 0
        self.lock = asyncio.Lock()

    async def write(self, store: Store, key: str, **options: Any) -> None:
        async with self.lock:
            self.begun = value = self.begun + 1
            await store.set(key, str(value), **options)
            self.least = max(self.least, value)

    async def read(self, store: Store, key: str, renew_for: int | None) -> None:
        least = self.least
        found = await store.get(key, renew_for=renew_for)
        value = int(found or 0)
        assert least <= value <= self.begun
        self.least = max(self.least, value)


async def test_no_read_ever_goes_back(store: Store, stores: Stores) -> None:
    other = stores(renew_tolerance=0)
    keys = [f"key {number}" for number in range(8)]
    registers = {key: Register() for key in keys}
    until = time.monotonic() + 0.4

    async def caller(seed: int) -> None:
        choose = random.Random(seed)
        # Each is written a few times, however slow the machine is.
        while time.monotonic() < until or min(register.begun for register in registers.values()) < 3:
            key, acting = choose.choice(keys), choose.choice([store, other])
            match choose.randrange(6):
                case 0:
                    await registers[key].write(acting, key, expires_in=choose.choice([50, 60]))
                case 1:
                    await registers[key].write(acting, key, keep_ttl=True)
                case 2:
                    await acting.renew(key, choose.choice([100, 200]))
                case 3:
                    await registers[key].read(acting, key, choose.choice([100, 300]))
                case _:
                    await registers[key].read(acting, key, None)

    await asyncio.gather(*map(caller, range(64)))


async def test_what_one_store_has_set_the_other_sees(store: Store, stores: Stores) -> None:
    """Setting a value back to what it was is no unchanged value."""
    spaces = [store, stores(), stores()]

    async def play(key: str) -> None:
        choose = random.Random(key)
        for _ in range(15):
            writer, reader = choose.sample(spaces, 2)
            value = choose.choice([b"1", b"2", None])
            if value is None:
                await writer.delete(key)
            else:
                await writer.set(key, value, expires_in=choose.choice([100, 1000, None]))
            assert await reader.get(key) == value
            assert await writer.exists(key) == (value is not None)

    await asyncio.gather(*(play(f"key {number}") for number in range(16)))


async def test_after_a_race_all_agree(store: Store, stores: Stores) -> None:
    spaces = [store, stores(), stores()]
    keys = [f"key {number}" for number in range(50)]
    await asyncio.gather(
        *(space.set(key, str(number), expires_in=100) for number, space in enumerate(spaces) for key in keys)
    )
    first, *others = [await space.get_many(keys) for space in spaces]
    assert set(first) == set(keys)
    assert set(first.values()) <= {b"0", b"1", b"2"}
    assert others == [first, first]
    assert len(await rows(store, "namespace")) == 50


async def test_sixty_four_callers_with_keys_of_their_own(store: Store) -> None:
    async def caller(number: int) -> None:
        key = f"caller {number}"
        for step in range(10):
            value = f'"{number}.{step}"'
            await store.set(key, value, expires_in=100)
            assert await store.get(key, renew_for=200) == value.encode()
            assert await store.expires_in(key) in range(190, 201)
            if step % 3 == 0:
                await store.delete(key)
                assert await store.get(key) is None

    await asyncio.gather(*map(caller, range(64)))


async def test_the_last_of_several_calls_for_one_key_counts(store: Store) -> None:
    for _ in range(5):
        await asyncio.gather(*(store.set("key", str(number), expires_in=10 + number * 10) for number in range(100)))
        assert await store.get("key") == b"99"
        assert await store.expires_in("key") in range(990, 1001)


@pytest.mark.needs("processes")
async def test_processes_that_write_the_same_keys_do_not_disturb_each_other(
    store: Store, database: Database, data_format: str, processes: ProcessPoolExecutor, backend: Backend
) -> None:
    options: dict[str, Any] = {"table": database.table, "data_format": data_format, "renew_tolerance": 0}
    keys = [f"key {number}" for number in range(60)]
    start_at = time.time() + 0.1
    loop = asyncio.get_running_loop()
    calls = [
        loop.run_in_executor(processes, count_up, database.url, options, keys, backend.rounds, start_at)
        for _ in range(WORKERS // 2)
    ]
    assert await asyncio.gather(*calls) == [None] * len(calls)
    found = await store.get_many(keys)
    assert set(found.values()) <= {str(number).encode() for number in range(backend.rounds)}


# -- callers who give up


async def test_a_caller_that_is_cancelled_leaves_the_others_alone(store: Store) -> None:
    for _ in range(5):
        calls = [asyncio.ensure_future(store.set(f"{number}", str(number), expires_in=50)) for number in range(64)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[1::2] == [None] * 32
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
        found = await asyncio.gather(*(store.get(f"{number}") for number in range(1, 64, 2)))
        assert found == [str(number).encode() for number in range(1, 64, 2)]
        await store.delete_all()


async def test_a_caller_may_be_cancelled_at_any_moment(store: Store) -> None:
    choose = random.Random(1)
    await store.set("key", b"1", expires_in=100)

    async def cancelled(pause: float) -> None:
        renewing = choose.random() < 0.5
        call = asyncio.ensure_future(
            store.get("key", renew_for=choose.randrange(100, 300)) if renewing else store.set("other", b"1")
        )
        await asyncio.sleep(pause)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    async def other(number: int) -> None:
        await store.set(f"{number}", str(number))
        assert await store.get(f"{number}") == str(number).encode()

    for _ in range(5):
        await asyncio.gather(*(cancelled(choose.uniform(0, 0.01)) for _ in range(32)), *map(other, range(32)))
    assert await store.get("key") == b"1"


async def test_what_is_set_after_a_cancelled_set_stays(store: Store) -> None:
    for pause in (0, 0, 0.0005, 0.001, 0.002, 0.003) * 5:
        call = asyncio.ensure_future(store.set("key", b'"old"'))
        await asyncio.sleep(pause)
        call.cancel()
        await store.set("key", b'"new"')
        assert await store.get("key") == b'"new"'
        await asyncio.sleep(0.002)
        assert await store.get("key") == b'"new"'


# -- bounds


async def test_one_bad_call_fails_alone(store: Store) -> None:
    """What only the database can refuse: an owner with a NUL, where text takes none."""
    calls = [store.set(f"{number}", b"1", owner="a\0b" if number in {7, 30} else "ada") for number in range(64)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for number, answer in enumerate(answers):
        assert answer is None or (number in {7, 30} and isinstance(answer, InvalidValueError))
        assert await store.exists(f"{number}") == (answer is None)


async def test_more_callers_than_may_wait_are_turned_away(store: Store, stores: Stores) -> None:
    narrow = stores(max_pending=10)
    answers = await asyncio.gather(*(narrow.set(f"{number}", b"1") for number in range(500)), return_exceptions=True)
    refused = [answer for answer in answers if answer is not None]
    assert {type(answer) for answer in refused} == {OverloadedError}
    assert "max_pending" in str(refused[0])
    assert len(refused) < 500
    # What was refused has not touched the database, and the others got through.
    assert len(await rows(store, "namespace")) == 500 - len(refused)
    await asyncio.gather(*(narrow.get(f"{number}") for number in range(10)))


@pytest.mark.needs("pool")
@pytest.mark.parametrize("size", [1, 4])
async def test_a_busy_store_leaves_connections_to_the_application(store: Store, stores: Stores, size: int) -> None:
    busy = stores(pool_size=size, renew_tolerance=0)
    stop = False

    async def caller(number: int) -> None:
        while not stop:
            await busy.set(f"{number}", b"1", expires_in=100)
            assert await busy.get(f"{number}", renew_for=200) == b"1"

    callers = [asyncio.ensure_future(caller(number)) for number in range(64)]
    try:
        for _ in range(2):
            await asyncio.sleep(0.1)
            async with asyncio.timeout(5), busy.config.provide_session() as session:
                assert await session.select_value("SELECT 1") == 1
    finally:
        stop = True
        await asyncio.gather(*callers)


async def test_many_namespaces_share_the_connections_of_their_store(store: Store, stores: Stores) -> None:
    parent = stores(pool_size=1, max_connections=1)
    children = [parent.with_namespace(f"child{number}") for number in range(64)]
    await asyncio.gather(*(child.set("key", str(number)) for number, child in enumerate(children)))
    found = await asyncio.gather(*(child.get("key") for child in children))
    assert found == [str(number).encode() for number in range(64)]
