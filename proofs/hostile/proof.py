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
        for items, owner in itertools.product(BENIGN, (None, "ada")):
            hostility.use_tables("benign")
            hostility.use_entries(items, 100, owner)
        ours = set(map(shape, statements(database))) if logs else set()
        hostility.try_all()
        runner.run(hostility.store.aclose())
        if logs:
            ran = statements(database)
            strange = {statement for statement in ran if shape(statement) not in ours}
            trials.check(
                not strange, f"{len(strange)} statements of other shapes, as {min(strange, default='')[:300]!r}"
            )
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
        self._try(ENTRIES, self.use_entries, inputs.ITEMS, inputs.DURATIONS, inputs.OWNERS)
        self._try(NAMESPACES, self.use_namespace, inputs.NAMES)
        self._try(TABLES, self.use_tables, inputs.NAMES)
        self._try(OPTIONS, self.use_settings, inputs.SETTINGS)
        self._try(URLS, self.use_url, inputs.URLS)

    def _try(self, count: int, use: Callable[..., None], *strategies: Any) -> None:
        made = 0
        count = self._trials.budget.of(count)

        @seed(self._trials.seed)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(st.tuples(*strategies))
        def example(arguments: tuple[Any, ...]) -> None:
            nonlocal made
            if self._trials.left < 0:
                return
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
