"""The example application as a user meets it: a process, a port, a browser's cookies."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.servers import postgres_from_environment_or_private, require

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0


class Demo:
    """A server process, and the browsers that visit it."""

    def __init__(self, folder: Path, **variables: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DEMO_")},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "DEMO_PORT": str(self.port),
            **variables,
        }
        self._log = folder / "log"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def spawn(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "examples.demo"],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that its workers can be ended with it
            )

    def start(self) -> None:
        self.spawn()
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"the demo does not serve:\n{self.log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.wait(timeout=20) == 0, self.log

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def browser(self, cookies: dict[str, str] | None = None) -> Browser:
        return Browser(base_url=f"http://127.0.0.1:{self.port}", cookies=cookies, follow_redirects=True, timeout=10)


class Browser(httpx.Client):
    """Keeps cookies, follows redirects, and submits forms with the token that is in them."""

    def page(self, path: str = "/") -> str:
        return self.get(path).raise_for_status().text

    def submit(self, action: str, **fields: str) -> str:
        token = re.search(r'name="_csrf_token" value="(\w+)"', self.page())
        assert token
        return self.post(action, data={"_csrf_token": token[1], **fields}).raise_for_status().text


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with ExitStack() as stack:
        variables = {}  # with SQLite there is nothing to set: the file is in the working folder
        if request.param == "postgresql":
            server = stack.enter_context(require(postgres_from_environment_or_private))
            variables["DEMO_DATABASE_URL"] = server.create_database()
        demo = Demo(tmp_path_factory.mktemp("demo"), **variables)
        demo.start()
        stack.callback(demo.kill)
        yield demo
        demo.stop()
    assert f"Open http://127.0.0.1:{demo.port} " in demo.log
    assert "Traceback" not in demo.log


def test_counts_in_the_session(demo: Demo) -> None:
    with demo.browser() as ada, demo.browser() as grace:
        assert "Who are you?" in ada.page()
        assert "Hello, Ada" in ada.submit("/login", name="Ada")
        assert "Hello, Grace" in grace.submit("/login", name="Grace")
        ada.submit("/count")
        ada.submit("/count")
        assert '<p class="count">2</p>' in ada.page()
        assert '<p class="count">0</p>' in grace.page()


def test_sessions_survive_a_restart(demo: Demo) -> None:
    with demo.browser() as browser:
        browser.submit("/login", name="Ada")
        browser.submit("/count")
        demo.stop()
        with pytest.raises(httpx.ConnectError):
            browser.page()
        demo.start()
        assert "Hello, Ada" in browser.page()
        assert '<p class="count">2</p>' in browser.submit("/count")


def test_a_copied_cookie_is_worth_nothing_after_logout(demo: Demo) -> None:
    with demo.browser() as browser:
        browser.submit("/login", name="Ada")
        stolen = {"session": browser.cookies["session"]}
        with demo.browser(stolen) as thief:
            assert "Hello, Ada" in thief.page()
        assert "Who are you?" in browser.submit("/logout")
        assert "Who are you?" in browser.page()
    with demo.browser(stolen) as thief:
        assert "Who are you?" in thief.page()


def test_shows_what_is_stored_but_not_the_id(demo: Demo) -> None:
    with demo.browser() as browser, demo.browser() as other:
        assert "Nothing is stored for you" in browser.page("/stored")
        browser.submit("/login", name="Ada")
        browser.submit("/count")
        page = browser.page("/stored")
        assert "&quot;name&quot;: &quot;Ada&quot;" in page
        assert "&quot;count&quot;: 1" in page
        created, renewed, expires = re.findall(r"<dd>(\d+ \w+ \d{4}, [\d:]{8}) UTC</dd>", page)
        moments = [
            datetime.strptime(text, "%d %B %Y, %H:%M:%S").replace(tzinfo=UTC) for text in (created, renewed, expires)
        ]
        assert moments[0] <= moments[1] <= datetime.now(UTC)
        assert timedelta(days=13, hours=23) < moments[2] - datetime.now(UTC) <= timedelta(days=14)
        assert browser.cookies["session"] not in page

        sessions = re.compile(r"sessions in the table</dt><dd>(\d+)</dd>")
        other.submit("/login", name="Grace")
        before, after = sessions.findall(page), sessions.findall(browser.page("/stored"))
        assert int(after[0]) == int(before[0]) + 1


def test_names_are_not_html(demo: Demo) -> None:
    with demo.browser() as browser:
        for page in (browser.submit("/login", name="<script>'\"&</script>"), browser.page("/stored")):
            assert "<script>" not in page
            assert "&lt;script&gt;" in page


def test_refuses_forms_that_are_not_its_own(demo: Demo) -> None:
    with demo.browser() as browser:
        browser.submit("/login", name="Ada")
        for action in ("/login", "/count", "/logout"):
            assert browser.post(action, data={"name": "Mallory"}).status_code == 403
        page = browser.page()
        assert "Hello, Ada" in page
        assert '<p class="count">0</p>' in page


def test_a_blank_name_is_no_login(demo: Demo) -> None:
    with demo.browser() as browser:
        assert "Who are you?" in browser.submit("/login", name="  ")


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    with socket.create_server(("127.0.0.1", demo.port)):
        demo.spawn()
        assert demo.process.wait(timeout=20) == 1
    assert f"Port {demo.port} cannot be had" in demo.log
    assert "DEMO_PORT" in demo.log
    assert not (tmp_path / "demo.db").exists()


def test_ctrl_c_ends_it_though_its_worker_is_stuck(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.start()
    try:
        for worker in psutil.Process(demo.process.pid).children():
            worker.suspend()
        demo.stop()
    finally:
        demo.kill()
    assert "refused to gracefully stop" in demo.log
