"""The web servers that run the application, and the databases that its stores are in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("SETUPS", "Setup", "SiteServer")

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
TARGET = "tests.browsers.application:make_app"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
# Holds the read end of a pipe from us: when we are gone, however it happened, the read ends and the server goes too.
WATCHDOG = 'read -r _; kill -s KILL -- "-$1"'
KEYS = ("a key that encrypts what browsers have in their sessions",)


@dataclass(frozen=True)
class Setup:
    """How the application is served.

    Attributes:
        server: ``uvicorn`` or ``granian``.
        http2: Whether browsers speak HTTP/2 with it.
        encrypted: Whether the stores encrypt.
        workers: How many processes serve.
    """

    server: str
    http2: bool = False
    encrypted: bool = False
    workers: int = 1

    @property
    def sends_what_a_websocket_accepts_with(self) -> bool:
        """Whether browsers get the headers of ``websocket.accept``, such as a cookie. Granian 2.8.9 drops them."""
        return self.server != "granian"

    def __str__(self) -> str:
        words = [self.server, "HTTP/2" if self.http2 else "HTTP/1.1", f"workers={self.workers}"]
        return " ".join([*words, "encrypted"] if self.encrypted else words)


SETUPS = (Setup("uvicorn"), Setup("granian", http2=True, encrypted=True, workers=2))


class SiteServer:
    """The application in a web server of its own. As a context manager it is started on entering and ended on leaving.

    Args:
        setup: How it is served.
        folder: Where the server runs, and writes its log.
        url: Where its stores are.
        line: Where the test listens.
        fault: What is broken on purpose.
    """

    def __init__(self, setup: Setup, folder: Path, *, url: str, line: int, fault: str = "") -> None:
        self.setup = setup
        self._log = folder / f"{setup.server}.log"
        self._folder = folder
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port: int = free.getsockname()[1]
        keys = KEYS if setup.encrypted else ()
        self._settings = json.dumps({"url": url, "encryption_keys": keys, "port": line, "fault": fault})

    @property
    def log(self) -> str:
        """What the server and the application wrote."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        from tests.browsers.application import ENVIRONMENT

        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": path, ENVIRONMENT: self._settings},
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that its workers can be ended with it
            )
        self._watchdog = subprocess.Popen(
            ["sh", "-c", WATCHDOG, "sh", str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            self._wait()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STOP_SECONDS)
        self._kill()

    def _command(self) -> Sequence[str]:
        setup, address = self.setup, ("--host", HOST, "--port", str(self.port), "--workers", str(self.setup.workers))
        if setup.server == "uvicorn":
            # Its other implementation of websockets uses what is deprecated.
            options = ("--factory", "--ws", "websockets-sansio", "--no-access-log")
            return [sys.executable, "-m", "uvicorn", *address, *options, TARGET]
        options = ("--interface", "asgi", "--factory", "--no-access-log")
        return [sys.executable, "-m", "granian", *address, *options, TARGET]

    def _wait(self) -> None:
        """Wait until every worker serves. One that is stopped before that hangs."""
        sign = "Application startup complete" if self.setup.server == "uvicorn" else "[INFO] Started worker-"
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.log.count(sign) == self.setup.workers and self._answers():
                return
            time.sleep(0.05)
        msg = f"{self.setup} does not serve:\n{self.log}"
        raise RuntimeError(msg)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
            return True
        return False

    def _kill(self) -> None:
        """End what is left of it."""
        self._watchdog.kill()
        self._watchdog.communicate()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
