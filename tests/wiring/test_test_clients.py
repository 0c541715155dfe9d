"""Applications under Litestar's test clients, which run them in another thread, and tests that look beside them."""

from __future__ import annotations

import asyncio
import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, get, post
from litestar.testing import AsyncTestClient, TestClient

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin, StoreTimeoutError
from tests.wiring.helpers import AnyRequest, new_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar_sqlstores.store import BaseSQLSpecStore
    from tests.backends import Database

pytestmark = pytest.mark.sampled

freezegun: Any = importlib.import_module("freezegun")
# What a frozen clock cannot be imported under.
importlib.import_module("pydantic.v1")

SESSIONS = SQLSessionConfig()


@post("/log-in")
async def log_in(request: AnyRequest) -> None:
    request.session["user"] = "alice"


@get("/me", sync_to_thread=False)
def me(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@get("/sync", sync_to_thread=True)
def sync(request: AnyRequest) -> int:
    async def count() -> int:
        return await sessions(request.app).increment("visits")

    return asyncio.run(count())


@get("/blocked", media_type="text/plain", sync_to_thread=False)
def blocked(request: AnyRequest) -> str:
    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(lambda: asyncio.run(sessions(request.app).get("visits"))).result()
        except StoreTimeoutError as error:
            return str(error)
    return "no error"


def application(plugin: SQLStoresPlugin) -> Litestar:
    handlers = [log_in, me, sync, blocked]
    return Litestar(handlers, plugins=[plugin], middleware=[SESSIONS.middleware], logging_config=None)


@pytest.fixture
def app(plugin: SQLStoresPlugin) -> Litestar:
    return application(plugin)


def sessions(app: Litestar) -> BaseSQLSpecStore[Any]:
    store: Any = app.stores.get("sessions")
    return store  # type: ignore[no-any-return]


async def stored(app: Litestar, client: Any) -> bytes | None:
    return await sessions(app).get(client.cookies["session"])


def test_a_test_looks_into_the_store_beside_the_client(app: Litestar) -> None:
    with TestClient(app) as client:
        client.post("/log-in")
        assert json.loads(asyncio.run(stored(app, client)) or b"null") == {"user": "alice"}
        asyncio.run(sessions(app).delete(client.cookies["session"]))
        assert client.get("/me").json() == {}


async def test_a_test_that_runs_in_an_event_loop_does_so_too(app: Litestar) -> None:
    # The second time, the store has been used in the test's event loop before.
    for _ in range(2):
        async with AsyncTestClient(app) as client:
            await client.post("/log-in")
            assert json.loads(await stored(app, client) or b"null") == {"user": "alice"}
            assert await app.stores.get("response_cache").get("nothing") is None


async def test_a_store_that_a_test_has_used_serves_the_application(plugin: SQLStoresPlugin) -> None:
    async with plugin.store as store:
        await store.create_table()
        await store.with_namespace("sessions").set("key", b"1")
        app = application(plugin)
        async with AsyncTestClient(app) as client:
            await client.post("/log-in")
            assert (await client.get("/me")).json() == {"user": "alice"}
            assert await sessions(app).get("key") == b"1"
        assert await store.with_namespace("sessions").get("key") == b"1"


async def test_session_data_through_the_client(app: Litestar) -> None:
    async with AsyncTestClient(app, session_config=SESSIONS) as client:
        await client.post("/log-in")
        assert await client.get_session_data() == {"user": "alice"}
    with TestClient(app, session_config=SESSIONS) as other:
        other.post("/log-in")
        assert other.get_session_data() == {"user": "alice"}


def test_a_look_after_the_client_has_closed(app: Litestar, database: Database) -> None:
    for _ in range(2):
        with TestClient(app) as client:
            client.post("/log-in")
        if database.url == "sqlite://":
            continue  # it ends with its last connection
        assert json.loads(asyncio.run(stored(app, client)) or b"null") == {"user": "alice"}


# Litestar forgets the first streams of its event emitter when it is started within itself.
@pytest.mark.filterwarnings("ignore:.*MemoryObjectSendStream:pytest.PytestUnraisableExceptionWarning")
def test_clients_of_one_application_one_after_another_and_within_each_other(app: Litestar) -> None:
    with TestClient(app) as outer:
        outer.post("/log-in")
        for _ in range(2):
            with TestClient(app) as inner:
                inner.post("/log-in")
                assert outer.get("/me").json() == inner.get("/me").json() == {"user": "alice"}
                assert inner.cookies["session"] != outer.cookies["session"]
            assert outer.get("/me").json() == {"user": "alice"}


def test_a_client_that_is_not_entered(app: Litestar, plugin: SQLStoresPlugin) -> None:
    # Each request has an event loop of its own, and nothing is started up.
    asyncio.run(plugin.store.create_table())
    client = TestClient(app)
    for _ in range(3):
        client.post("/log-in")
        assert client.get("/me").json() == {"user": "alice"}
    asyncio.run(plugin.store.aclose())  # what is in memory outlives event loops


def test_sync_handlers(app: Litestar) -> None:
    with TestClient(app) as client:
        assert [client.get("/sync").json() for _ in range(3)] == [1, 2, 3]


def test_a_handler_that_keeps_the_event_loop_from_its_own_call_is_told(database: Database, data_format: str) -> None:
    app = application(new_plugin(database, data_format, timeout=1))
    with TestClient(app) as client:
        assert "sync_to_thread=True" in client.get("/blocked").text
        assert client.get("/sync").json() == 1


# -- clocks


@pytest.fixture
def frozen() -> Iterator[Any]:
    """Freezes the clock when it is called, up to the end of the test."""
    # Not for so long that the client drops its cookies.
    freezer = freezegun.freeze_time(datetime.now(UTC) + timedelta(minutes=1))
    started = []

    def freeze() -> None:
        freezer.start()
        started.append(True)

    yield freeze
    if started:
        freezer.stop()


def test_a_clock_that_is_frozen_around_the_client(app: Litestar, frozen: Any) -> None:
    frozen()
    with TestClient(app) as client:
        client.post("/log-in")
        assert json.loads(asyncio.run(stored(app, client)) or b"null") == {"user": "alice"}


def test_a_clock_that_is_frozen_while_the_client_is_open(app: Litestar, frozen: Any) -> None:
    with TestClient(app) as client:
        client.post("/log-in")
        frozen()
        assert client.get("/me").json() == {"user": "alice"}
        client.post("/log-in")
