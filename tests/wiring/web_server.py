"""A web server in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx

__all__ = ("WebServer",)

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0
STOP_SECONDS = 60.0


class WebServer:
    """Granian on a free port. As a context manager it is started on entering, and ended on leaving.

    Args:
        target: The application, `module:name`, or a function that makes it, `module:name()`.
        folder: Where the server runs and writes its log.
        workers: How many processes serve.
        environment: Variables to set; what is no text is written as JSON.
    """

    def __init__(self, target: str, folder: Path, *, workers: int = 1, **environment: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._log = folder / "web_server.log"
        self._workers = workers
        self._command = [
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", str(workers), "--no-access-log"),
            *(["--factory"] if target.endswith("()") else []),
            target.removesuffix("()"),
        ]
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            **{name: value if isinstance(value, str) else json.dumps(value) for name, value in environment.items()},
        }

    @property
    def log(self) -> str:
        """What the server and the application wrote."""
        return self._log.read_text()

    @property
    def complaints(self) -> list[str]:
        """The lines of the log that are more than information."""
        # Granian warns where there are fewer cores than workers.
        harmless = ("[INFO] ", "INFO - ", "[WARNING] Configured number of workers")
        return [line for line in self.log.splitlines() if not line.startswith(harmless)]

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that its workers can be ended with it
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.send_signal(signal.SIGINT)
            returned = self._process.wait(timeout=STOP_SECONDS)
        finally:
            self.kill()
        assert returned == 0, self.log

    def kill(self) -> None:
        """End what is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait(self) -> None:
        """Wait until every worker serves. One that is stopped before that hangs."""
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.log.count("[INFO] Started worker-") == self._workers:
                return
            time.sleep(0.05)
        msg = f"the server does not serve:\n{self.log}"
        raise RuntimeError(msg)

    def visitor(self) -> httpx.AsyncClient:
        """A browser, with connections and cookies of its own."""
        # Certificates that nobody needs would take longer to load than everything else.
        return httpx.AsyncClient(base_url=self.url, timeout=30, limits=httpx.Limits(), verify=False)
