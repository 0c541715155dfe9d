"""A hundred thousand inputs that nobody should give."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, given, seed, settings

from litestar_sqlstores import ConfigurationError, StoreError, create_store
from proofs.databases import Database
from proofs.hostile import inputs
from proofs.hostile.entries import use
from proofs.hostile.statements import SETTINGS, shape, statements
from proofs.proof import Trials

__all__ = ("prove",)

ENTRIES, NAMESPACES, TABLES, OPTIONS, URLS = 6_000, 3_000, 300, 15_000, 25_000
CHUNK = 200
BENIGN = [
    [("a", "1")],
    [("a", "1"), ("b", b"2")],
    [(f"key {number}", "x" * number * 500) for number in range(1, 12)],
]


def prove(trials: Trials) -> None:
    """Give a store what nobody should give, and look at what its server was asked to run."""
    with trials.server(**SETTINGS.get(trials.database.partition("-")[0], {})) as database, asyncio.Runner() as runner:
        hostility = _Hostility(trials, database, runner)
        logs = database.has_server
        for name in ("benign", "no_schema.benign"):
            hostility.use_tables(name)
        for items, owner, duration in itertools.product(BENIGN, (None, "ada"), (None, 0.01, 100)):
            hostility.use_entries(items, duration, owner)
        ours = set(map(shape, statements(database))) if logs else set()
        hostility.try_all()
        runner.run(hostility.store.aclose())
        if logs:
            ran = statements(database)
            strange = sorted({shape(statement) for statement in ran} - ours)
            trials.check(not strange, f"{len(strange)} shapes of statements that are not ours: {strange[:2]}")
            trials.note(f"{len(set(ran)):,} different statements in {len(ours)} shapes")


class _Hostility:
    def __init__(self, trials: Trials, database: Database, runner: asyncio.Runner) -> None:
        self._trials = trials
        self._database = database
        self._runner = runner
        # Nothing here outlives its process, so nothing has to be synced.
        options: Any = {} if database.has_server else {"durability": "relaxed"}
        self.store = create_store(database.url, keep_keys=True, timeout=30.0, **options)
        runner.run(self.store.create_table())

    def try_all(self) -> None:
        """Everything, so many times."""
        self._try(URLS, 0.9, self.use_url, inputs.URLS)
        self._try(OPTIONS, 0.8, self.use_settings, inputs.SETTINGS)
        self._try(NAMESPACES, 0.7, self.use_namespace, inputs.NAMES)
        self._try(TABLES, 0.6, self.use_tables, inputs.NAMES)
        self._try(ENTRIES, 0.2, self.use_entries, inputs.ITEMS, inputs.DURATIONS, inputs.OWNERS)

    def _try(self, count: int, until: float, use: Callable[..., None], *strategies: Any) -> None:
        """Give an operation so many examples, until this part of the time is left."""
        count = self._trials.budget.of(count)
        for chunk in range(0, count, CHUNK):
            if self._trials.left < until * self._trials.budget.seconds:
                break
            self._try_some(f"{self._trials.seed} {chunk}", min(CHUNK, count - chunk), use, *strategies)

    def _try_some(self, chosen: str, count: int, use: Callable[..., None], *strategies: Any) -> None:
        made = 0

        @seed(chosen)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
            phases=[Phase.generate, Phase.shrink],
        )
        @given(st.tuples(*strategies))
        def example(arguments: tuple[Any, ...]) -> None:
            nonlocal made
            made += len(arguments[0]) * 2 if isinstance(arguments[0], list) else 1
            use(*arguments)

        try:
            example()
        except Exception as error:  # noqa: BLE001 - whatever it is, it should not have been
            notes = " ".join(getattr(error, "__notes__", []))
            self._trials.failed(f"{use.__name__}: {type(error).__name__}: {error} {notes}"[:600])
        self._trials.passed(made)

    def use_entries(self, items: Any, duration: Any, owner: Any) -> None:
        self._runner.run(use(self.store, items, duration, owner))

    def use_namespace(self, name: Any) -> None:
        async def run() -> None:
            try:
                child = self.store.with_namespace(name)
            except StoreError as error:
                assert isinstance(error, (ConfigurationError, TypeError)), repr(error)
                return
            await child.set("key", "value", 100)
            assert await child.get("key") == b"value"
            await child.delete("key")

        self._runner.run(run())

    def use_tables(self, name: Any) -> None:
        async def run() -> None:
            try:
                store = create_store(self._database.url, table=name, timeout=30.0)
            except ConfigurationError:
                return
            try:
                async with store:
                    await store.create_table()
                    await store.set("key", "value", 100)
                    assert await store.get("key") == b"value"
                    await store.drop_table()
            except StoreError as error:  # a schema that does not exist, say
                assert error.__cause__ is None or "." in str(name), repr(error)

        self._runner.run(run())

    def use_settings(self, options: dict[str, Any]) -> None:
        with suppress(ConfigurationError):
            create_store(self._database.url, **options)

    def use_url(self, url: str) -> None:
        try:
            create_store(url)
        except ConfigurationError as error:
            assert "secret-of-url" not in str(error), "an error tells a password"
