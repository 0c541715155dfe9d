"""The examples as a user meets them: started as they say, each on a file of its own, and visited with a browser."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.wiring.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


@contextmanager
def serve(name: str, folder: Path, *, workers: int = 1) -> Iterator[WebServer]:
    with WebServer(f"examples.{name}:app", folder, workers=workers, PYTHONWARNINGS="error") as server:
        yield server
    assert server.complaints == []
    assert (folder / "app.db").exists()


def browser(server: WebServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=30, verify=False)


def do(visitor: httpx.Client, method: str, path: str, **options: object) -> httpx.Response:
    return visitor.request(method, path, **options).raise_for_status()  # type: ignore[arg-type]


def test_sessions(folder: Path) -> None:
    with serve("sessions", folder) as server, browser(server) as phone, browser(server) as laptop:
        assert phone.get("/").status_code == 401
        do(phone, "POST", "/login/ada")
        before = phone.cookies["session"]
        do(phone, "POST", "/login/ada")
        assert phone.cookies["session"] != before, "the id is another one after each log-in"
        do(laptop, "POST", "/login/ada")
        assert [do(laptop, "GET", "/").text for _ in range(2)] == ["ada, visit 1", "ada, visit 2"]

        devices = do(laptop, "GET", "/devices").json()
        assert [device["this_one"] for device in devices] == [True, False]
        assert all(device["since"] <= device["last_seen"] for device in devices)
        assert do(laptop, "POST", "/logout-elsewhere").json() == 1
        assert phone.get("/").status_code == 401
        assert do(laptop, "GET", "/").text == "ada, visit 3"
        copy = laptop.cookies["session"]
        do(laptop, "POST", "/logout")
        assert laptop.get("/", headers={"cookie": f"session={copy}"}).status_code == 401


def test_response_cache(folder: Path) -> None:
    with serve("response_cache", folder) as server, browser(server) as ada:
        first = do(ada, "GET", "/prices").json()
        assert first["cents"]["tea"] == 400
        assert do(ada, "GET", "/prices").json() == first
        do(ada, "PUT", "/prices/tea", params={"cents": 450})
        second = do(ada, "GET", "/prices").json()
        assert second["cents"]["tea"] == 450
        assert do(ada, "GET", "/prices").json() == second


def test_rate_limits(folder: Path) -> None:
    with serve("rate_limits", folder, workers=2) as server:
        statuses = [httpx.get(server.url, verify=False).status_code for _ in range(12)]  # new connections, any worker
        assert statuses == [200] * 10 + [429] * 2


@pytest.mark.parametrize("name", ["with_sqlspec", "with_sqlalchemy"])
def test_beside_others(folder: Path, name: str) -> None:
    with serve(name, folder) as server, browser(server) as ada, browser(server) as grace:
        assert [do(ada, "POST", f"/notes/{note}").json()["yours"] for note in ("tea", "milk")] == [1, 2]
        assert do(grace, "POST", "/notes/sugar").json() == {"yours": 1}
        assert do(grace, "GET", "/notes").json() == ["tea", "milk", "sugar"]
