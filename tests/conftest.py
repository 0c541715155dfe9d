from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.backends import BACKENDS, Backend, Database, Store, Stores
from tests.contract.processes import worker_processes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from concurrent.futures import ProcessPoolExecutor
    from contextlib import AbstractContextManager
    from pathlib import Path

pytest_plugins = ["tests.secrecy"]

CHOSEN = frozenset(filter(None, map(str.strip, os.environ.get("LITESTAR_SQLSTORES_TEST_BACKENDS", "").split(","))))
"""The backends to test, by name; all of them if there is none."""

SAMPLE = frozenset({"sqlite-file", "postgresql"})
"""What tests that are `sampled` run over: one database that is a file, and one that is a server.

They look at what lies above the store, such as middlewares, and does not depend on the database below it.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="run what takes long too, and what is sampled over every database"
    )


def pytest_configure(config: pytest.Config) -> None:
    if unknown := CHOSEN - BACKENDS.keys():
        names = ", ".join(map(repr, sorted(unknown)))
        msg = f"LITESTAR_SQLSTORES_TEST_BACKENDS has {names}; known are {', '.join(BACKENDS)}"
        raise pytest.UsageError(msg)
    config.addinivalue_line("markers", "formats(*names): run only with these data formats")
    config.addinivalue_line("markers", "needs(*capabilities): run only over backends that have them")
    config.addinivalue_line("markers", "sampled: over a file and a server, and with --thorough over every database")
    config.addinivalue_line("markers", "thorough: takes long, and is run with --thorough only")
    config.addinivalue_line("markers", "about(*topics): what a backend may be tested for alone: `driver`, `data`")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test over every backend in every format, but for those that its marks rule out."""
    if "backend" not in metafunc.fixturenames:
        return
    formats = {name for mark in metafunc.definition.iter_markers("formats") for name in mark.args}
    needs = {name for mark in metafunc.definition.iter_markers("needs") for name in mark.args}
    topics = {name for mark in metafunc.definition.iter_markers("about") for name in mark.args}
    sampled = metafunc.definition.get_closest_marker("sampled") and not metafunc.config.option.thorough
    chosen = CHOSEN or (SAMPLE if sampled else BACKENDS.keys())
    cases = [
        pytest.param(backend, data_format, id=f"{backend.name}-{data_format}")
        for backend in BACKENDS.values()
        if backend.name in chosen and (not backend.topic or backend.topic in topics)
        for data_format in backend.formats
        if (not formats or data_format in formats) and needs <= backend.capabilities
    ]
    metafunc.parametrize("backend, data_format", cases, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long."""
    left_out = [] if config.option.thorough else [item for item in items if item.get_closest_marker("thorough")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


class Servers:
    """What backends share among all tests, started when it is first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[Callable[[], AbstractContextManager[Any]], Any] = {}

    def of(self, backend: Backend) -> Any:
        if backend.server not in self._running:
            self._running[backend.server] = self._stack.enter_context(backend.server())
        return self._running[backend.server]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    with worker_processes() as pool:
        yield pool


@pytest.fixture
def database(backend: Backend, servers: Servers, tmp_path: Path) -> Database:
    return backend.database(servers.of(backend), tmp_path)


@pytest.fixture
async def stores(database: Database, data_format: str) -> AsyncIterator[Stores]:
    made = Stores(database, data_format)
    yield made
    await made.close()


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[Store]:
    """A store in use, its table created."""
    async with stores() as store:
        await store.create_table()
        yield store
