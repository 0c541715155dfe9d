"""The Python in docs/, run as printed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from httpx import ASGITransport, AsyncClient
from litestar.testing import TestClient

from litestar_sqlstores import StoreError, UnavailableError
from litestar_sqlstores.store import BaseSQLSpecStore
from tests.docs.documents import shows

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SESSIONS, RATE_LIMITS, PLUGIN = "docs/sessions.md", "docs/rate-limits.md", "docs/plugin.md"
ENCRYPTION = "docs/encryption.md"


# -- sessions


@shows(SESSIONS, "Log in and change the id")
def test_log_in_and_out(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        ids = []
        for _ in range(2):
            browser.post("/login/ada")
            ids.append(browser.cookies["session"])
        assert ids[0] != ids[1]
        assert browser.get("/").json() == {"user": "ada"}
        browser.post("/logout")
        assert browser.get("/").json() == {}


@shows(SESSIONS, "Find and end all sessions of a user")
def test_sessions_of_a_user(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        browser.post("/login/7")
        browser.cookies.clear()  # the next one is another device
        browser.post("/login/7")
        assert [session["this_one"] for session in browser.get("/devices").json()] == [True, False]
        assert browser.post("/password").json() == 1
        assert [session["this_one"] for session in browser.get("/devices").json()] == [True]
        assert browser.post("/ban/7").json() == 1
        assert not browser.cookies


@shows(SESSIONS, "Let two requests change one session")
async def test_two_requests_at_once(app: ModuleType) -> None:
    async with app.app.lifespan(), AsyncClient(transport=ASGITransport(app.app), base_url="http://test") as browser:
        await browser.post("/set/first")
        await asyncio.gather(browser.post("/set/a"), browser.post("/set/b"))
        assert (await browser.get("/")).json() == {"first": True, "a": True, "b": True}


@shows(SESSIONS, "Answer while the database is away")
def test_a_database_that_is_away(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise UnavailableError

    assert issubclass(UnavailableError, StoreError)
    with TestClient(app.app) as browser:
        with monkeypatch.context() as patch:
            patch.setattr(BaseSQLSpecStore, "set", away)
            response = browser.get("/")
            assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert browser.get("/").text == "1"


@shows(SESSIONS, "With SessionAuth")
def test_session_auth(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert browser.get("/").status_code == 401
        browser.post("/login/7")
        assert browser.get("/").text == "Ada"
        browser.post("/login/8")
        assert browser.get("/").status_code == 401


# -- encryption


@pytest.fixture
def store_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_KEY", "what secrets.token_urlsafe may have made")


@pytest.mark.usefixtures("store_key")
@shows(ENCRYPTION, "Encryption")
def test_encryption(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert [browser.get("/").json() for _ in range(2)] == [{"visits": 1}, {"visits": 2}]
        # What of it is still in the log of writes, and what was there before.
        assert not any(b"visits" in file.read_bytes() for file in Path.cwd().glob("app.db*"))


# -- rate limits


@shows(RATE_LIMITS, "Limit how often a client calls")
def test_a_limit(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert [browser.get("/", headers={"x-api-key": "a"}).status_code for _ in range(4)] == [200] * 3 + [429]
        assert browser.get("/", headers={"x-api-key": "b"}).status_code == 200
        assert [browser.get("/health").status_code for _ in range(5)] == [200] * 5


@shows(RATE_LIMITS, "Count something else")
def test_counting(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert [browser.post("/reset-password/ada").status_code for _ in range(3)] == [201, 201, 429]
        assert browser.post("/reset-password/grace").json() == 1


# -- the plugin


@shows(PLUGIN, "What it provides")
def test_stores(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert browser.get("/").status_code == 200
        assert [browser.post("/publish").json() for _ in range(2)] == [1, 2]


@shows(PLUGIN, "Share SQLSpec's pool")
def test_one_pool_with_sqlspec(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert [browser.post("/visits").json() for _ in range(3)] == [0, 1, 1]
        (config,) = app.spec.configs.values()
        assert app.app.stores.get("sessions").config is config


@shows(PLUGIN, "Two databases")
def test_two_databases(app: ModuleType) -> None:
    with TestClient(app.app) as browser, browser.portal() as portal:
        for name in ("sessions", "audit"):
            portal.call(app.app.stores.get(name).set, "key", "value")
        databases = {app.app.stores.get(name).config.connection_config["database"] for name in ("sessions", "audit")}
        assert len(databases) == 2


@shows(PLUGIN, "Without the plugin")
def test_without_the_plugin(app: ModuleType) -> None:
    with TestClient(app.app) as browser:
        assert [browser.get("/").json() for _ in range(2)] == [1, 2]


@shows("docs/oracle.md", "Oracle Database")
def test_oracle(app: ModuleType) -> None:
    assert "OracleStore" in repr(app.store)


@shows(PLUGIN, "From threads, sync handlers and tests")
def test_threads_and_sync_handlers(app: ModuleType) -> None:
    # The section has called the store itself: in a handler, beside the test client, and after it.
    assert asyncio.run(app.app.stores.get("visits").get("all")) == b"1"
