"""Each backend against a model in memory, with expiries that really pass.

The model knows for each entry between which moments it expires: an answer near that time may be either, and says from
then on which it was.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.backends import Backend, Database, Store, Stores

if TYPE_CHECKING:
    from collections.abc import Coroutine

pytestmark = pytest.mark.about("data")

ResultT = TypeVar("ResultT")

STEPS = 40
CLOCK = 0.002
"""How much a moment may be off: some databases count milliseconds."""
NEVER = float("inf")

KEYS = st.sampled_from(["a", "b", "B", ""])
MANY_KEYS = st.lists(KEYS, max_size=5)
VALUES = st.sampled_from([b"1", b"2", b"30"])
ITEMS = st.dictionaries(KEYS, VALUES, max_size=4)
# Beside 100, 100.5 is within the default tolerance, 102 is not.
LIVES = st.sampled_from([0.03, 0.06, 100, 100.5, 102])
EXPIRIES = st.sampled_from([None, None, 0, -1]) | LIVES
RENEWALS = st.sampled_from([None, 0]) | LIVES
OWNERS = st.sampled_from([None, "ada"])


@dataclass
class Entry:
    value: bytes
    owner: str | None
    earliest: float
    latest: float
    swept: bool = False
    """May have been removed as expired, in the moment that it expired."""


@dataclass
class Moment:
    """A call takes effect at some time from its begin to its end."""

    begin: float
    end: float

    def deadline(self, ttl: float) -> tuple[float, float]:
        return self.begin + ttl - CLOCK, self.end + ttl + CLOCK

    def is_alive(self, entry: Entry | None) -> bool | None:
        """Whether an entry is alive; None if nobody knows."""
        if entry is None or entry.latest < self.begin:
            return False
        return True if entry.earliest > self.end else None


@dataclass
class Space:
    """A namespace: the same one in a store that is exact and in one that tolerates."""

    stores: dict[float, Store]
    entries: dict[str, Entry] = field(default_factory=dict)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self, runner: asyncio.Runner, stores: dict[float, Store], name: str, *, adds_to_values: bool) -> None:
        super().__init__()
        self.runner = runner
        self.adds_to_values = adds_to_values
        self.parent = Space({tolerance: store.with_namespace(name) for tolerance, store in stores.items()})
        self.child = Space(
            {tolerance: store.with_namespace("child") for tolerance, store in self.parent.stores.items()}
        )
        self.tolerance = 0.0

    def teardown(self) -> None:
        self.runner.run(self.parent.stores[0.0].delete_all())

    def call(self, coroutine: Coroutine[Any, Any, ResultT]) -> tuple[ResultT, Moment]:
        begin = time.time()
        result = self.runner.run(coroutine)
        return result, Moment(begin, time.time())

    def store(self, space: Space) -> Store:
        return space.stores[self.tolerance]

    # -- what the model knows

    def observe(self, space: Space, key: str, alive: bool, moment: Moment) -> Entry | None:
        """Check that a key may be alive or not, and remember which it was; the entry if it is."""
        entry = space.entries.get(key)
        assert moment.is_alive(entry) in {alive, None}
        if entry is None:
            return None
        if not alive:
            entry.latest = min(entry.latest, moment.end)
            entry.earliest = min(entry.earliest, entry.latest)
            return None
        entry.earliest = max(entry.earliest, moment.begin)
        entry.swept = False
        return entry

    def stored(
        self, space: Space, key: str, value: bytes, ttl: float | None, *, owner: str | None, now: Moment
    ) -> None:
        if ttl is not None and ttl <= 0:
            space.entries.pop(key, None)
            return
        old = space.entries.get(key)
        earliest, latest = (NEVER, NEVER) if ttl is None else now.deadline(ttl)
        if old is not None and ttl is not None and (old.value, old.owner) == (value, owner):
            earliest, latest = self.tolerated(old, ttl, earliest, latest)
        space.entries[key] = Entry(value, owner, earliest, latest)

    def renewed(self, entry: Entry, ttl: float, now: Moment) -> None:
        if entry.latest < NEVER:
            earliest, entry.latest = self.tolerated(entry, ttl, *now.deadline(ttl))
            # What expires after it was read, and before its renewal is written, stays expired.
            entry.earliest = min(entry.earliest, earliest) if entry.earliest <= now.end else earliest

    def tolerated(self, old: Entry, ttl: float, earliest: float, latest: float) -> tuple[float, float]:
        """The expiry after a write of one that the tolerance may have spared."""
        tolerance = int(ttl * 1000 * self.tolerance) / 1000
        if tolerance == 0 or old.latest < earliest - tolerance or old.earliest > latest + tolerance:
            return earliest, latest
        if latest - tolerance < old.earliest and old.latest < earliest + tolerance:
            return old.earliest, old.latest
        return min(earliest, old.earliest), max(latest, old.latest)

    # -- rules

    @rule(tolerance=st.sampled_from([0.0, 0.01]))
    def use_the_store_with(self, tolerance: float) -> None:
        self.tolerance = tolerance

    @rule(milliseconds=st.sampled_from([5, 30, 31, 60, 80]))
    def sleep(self, milliseconds: int) -> None:
        time.sleep(milliseconds / 1000)

    @rule(child=st.booleans(), key=KEYS, value=VALUES, ttl=EXPIRIES, owner=OWNERS)
    def set(self, child: bool, key: str, value: bytes, ttl: float | None, owner: str | None) -> None:
        space = self.space(child)
        _, now = self.call(self.store(space).set(key, value, ttl, owner=owner))
        self.stored(space, key, value, ttl, owner=owner, now=now)

    @rule(child=st.booleans(), items=ITEMS, ttl=EXPIRIES, owner=OWNERS)
    def set_many(self, child: bool, items: dict[str, bytes], ttl: float | None, owner: str | None) -> None:
        space = self.space(child)
        _, now = self.call(self.store(space).set_many(items, ttl, owner=owner))
        for key, value in items.items():
            self.stored(space, key, value, ttl, owner=owner, now=now)

    @rule(child=st.booleans(), items=ITEMS, owner=OWNERS)
    def set_keeping_ttl(self, child: bool, items: dict[str, bytes], owner: str | None) -> None:
        space = self.space(child)
        _, now = self.call(self.store(space).set_many(items, keep_ttl=True, owner=owner))
        for key, value in items.items():
            old = space.entries.get(key)
            kept = now.is_alive(old)
            if kept is None:
                remaining, _ = self.call(self.store(space).expires_in(key))
                kept = remaining != -1
            earliest, latest = (old.earliest, old.latest) if old is not None and kept else (NEVER, NEVER)
            space.entries[key] = Entry(value, owner, earliest, latest)

    @rule(child=st.booleans(), key=KEYS, value=VALUES, ttl=EXPIRIES, expected=st.none() | VALUES)
    def replace(self, child: bool, key: str, value: bytes, ttl: float | None, expected: bytes | None) -> None:
        space = self.space(child)
        replaced, now = self.call(self.store(space).replace(key, value, ttl, expected=expected))
        entry = space.entries.get(key)
        if entry is not None and expected not in {None, entry.value}:
            assert not replaced
        elif self.observe(space, key, replaced, now):
            dead = ttl is not None and ttl <= 0
            earliest, latest = (NEVER, NEVER) if ttl is None else now.deadline(0 if dead else ttl)
            space.entries[key] = Entry(value, None, earliest, latest)

    @rule(child=st.booleans(), key=KEYS, by=st.integers(-5, 5), ttl=st.none() | LIVES)
    def increment(self, child: bool, key: str, by: int, ttl: float | None) -> None:
        space = self.space(child)
        if not self.adds_to_values:
            key = f"number {key}"
        number, now = self.call(self.store(space).increment(key, by, ttl))
        entry = space.entries.get(key)
        alive = now.is_alive(entry)
        if alive is None:
            assert entry is not None
            if int(entry.value) == 0:  # the sum is the same whether it was there or not: nobody can tell
                self.call(self.store(space).delete(key))
                del space.entries[key]
                return
            alive = number == int(entry.value) + by
        if entry is not None and alive:
            assert number == int(entry.value) + by
            entry.value = str(number).encode()
            self.observe(space, key, alive=True, moment=now)
        else:
            assert number == by
            self.stored(space, key, str(number).encode(), ttl, owner=None, now=now)

    @rule(child=st.booleans(), key=KEYS, ttl=RENEWALS)
    def get(self, child: bool, key: str, ttl: float | None) -> None:
        space = self.space(child)
        value, now = self.call(self.store(space).get(key, renew_for=ttl))
        self.found(space, [key], {} if value is None else {key: value}, ttl, now)

    @rule(child=st.booleans(), keys=MANY_KEYS, ttl=RENEWALS)
    def get_many(self, child: bool, keys: list[str], ttl: float | None) -> None:
        space = self.space(child)
        values, now = self.call(self.store(space).get_many(keys, renew_for=ttl))
        self.found(space, keys, values, ttl, now)

    def found(self, space: Space, keys: list[str], values: dict[str, bytes], ttl: float | None, now: Moment) -> None:
        assert set(values) <= set(keys)
        for key in dict.fromkeys(keys):
            if entry := self.observe(space, key, key in values, now):
                assert values[key] == entry.value
                if ttl:
                    self.renewed(entry, ttl, now)

    @rule(child=st.booleans(), key=KEYS, ttl=LIVES)
    def renew(self, child: bool, key: str, ttl: float) -> None:
        space = self.space(child)
        alive, now = self.call(self.store(space).renew(key, ttl))
        if entry := self.observe(space, key, alive, now):
            self.renewed(entry, ttl, now)

    @rule(child=st.booleans(), keys=MANY_KEYS, ttl=LIVES)
    def renew_many(self, child: bool, keys: list[str], ttl: float) -> None:
        space = self.space(child)
        alive, now = self.call(self.store(space).renew_many(keys, ttl))
        assert alive <= set(keys)
        for key in dict.fromkeys(keys):
            if entry := self.observe(space, key, key in alive, now):
                self.renewed(entry, ttl, now)

    @rule(child=st.booleans(), key=KEYS)
    def exists(self, child: bool, key: str) -> None:
        space = self.space(child)
        alive, now = self.call(self.store(space).exists(key))
        self.observe(space, key, alive, now)

    @rule(child=st.booleans(), key=KEYS)
    def expires_in(self, child: bool, key: str) -> None:
        space = self.space(child)
        remaining, now = self.call(self.store(space).expires_in(key))
        entry = self.observe(space, key, remaining is not None, now)
        if entry is None:
            return
        assert remaining is not None
        if entry.latest == NEVER:
            assert remaining == -1
        else:
            assert entry.earliest - now.end - 1 - CLOCK <= remaining <= entry.latest - now.begin + CLOCK

    @rule(child=st.booleans(), keys=MANY_KEYS, single=KEYS)
    def delete(self, child: bool, keys: list[str], single: str) -> None:
        space = self.space(child)
        self.call(self.store(space).delete_many(keys))
        self.call(self.store(space).delete(single))
        for key in (*keys, single):
            space.entries.pop(key, None)

    @precondition(lambda self: len(self.parent.entries) > 2)
    @rule(child=st.booleans())
    def delete_all(self, child: bool) -> None:
        self.call(self.store(self.space(child)).delete_all())
        self.child.entries.clear()
        if not child:
            self.parent.entries.clear()

    @rule(batch_size=st.sampled_from([1, 2, 1000]))
    def delete_expired(self, batch_size: int) -> None:
        removed, now = self.call(self.store(self.parent).delete_expired(batch_size))
        entries = [*self.parent.entries.values(), *self.child.entries.values()]
        surely = sum(now.is_alive(entry) is False and not entry.swept for entry in entries)
        perhaps = sum(now.is_alive(entry) is not True for entry in entries)
        assert surely <= removed <= perhaps
        for space in (self.parent, self.child):
            for key, entry in list(space.entries.items()):
                if now.is_alive(entry) is False:
                    del space.entries[key]
                elif now.is_alive(entry) is None:
                    entry.swept = True

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        keys = ["a", "b", "B", ""]
        for space, tolerance in ((self.parent, self.tolerance), (self.child, 0.01 - self.tolerance)):
            values, now = self.call(space.stores[tolerance].get_many(keys))
            self.found(space, keys, values, None, now)

    def space(self, child: bool) -> Space:
        return self.child if child else self.parent


def test_behaves_as_the_model(database: Database, data_format: str, backend: Backend) -> None:
    with asyncio.Runner() as runner:
        stores = Stores(database, data_format)
        by_tolerance = {tolerance: stores(renew_tolerance=tolerance) for tolerance in (0.0, 0.01)}
        runner.run(by_tolerance[0.0].create_table())
        count = 0

        def machine() -> StoreMachine:
            nonlocal count
            count += 1
            adds_to_values = "adds to values" in backend.capabilities
            return StoreMachine(runner, by_tolerance, f"machine{count}", adds_to_values=adds_to_values)

        try:
            run_state_machine_as_test(
                cast("type[RuleBasedStateMachine]", machine),  # anything that makes one
                settings=settings(
                    max_examples=2 * backend.rounds,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
                    print_blob=True,
                ),
            )
        finally:
            runner.run(stores.close())
