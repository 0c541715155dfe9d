"""Starts the application under granian, and ends it with all its processes: one that is left shares the port."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.http.application import VARIABLE_URL, VARIANT
from benchmarks.http.variants import Variant
from tests.servers import HOST

__all__ = ("Application", "serve")

_START_SECONDS = 60


class Application:
    """An application that is being served."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid = process.pid
        self.port = port

    def log_in(self, user: int) -> str:
        """Log a user in; the cookie."""
        headers = self._request("POST", f"/log-in/{user}")[0]
        return headers.get("set-cookie", "session=none").partition(";")[0]

    def read(self, cookie: str) -> bytes:
        """What the route answers to the bearer of a cookie."""
        return self._request("GET", "/", cookie)[1]

    def _request(self, method: str, path: str, cookie: str = "") -> tuple[http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, headers={"cookie": cookie} if cookie else {})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            msg = f"{method} {path} answered {response.status}"
            raise RuntimeError(msg)
        return response.headers, body


@contextmanager
def serve(variant: Variant, url: str) -> Iterator[Application]:
    """Serve a variant with one worker until the block ends."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--workers", "1", "--loop", "uvloop"),
        *("--host", HOST, "--port", str(port), "--no-ws", "--log-level", "warning"),
        "benchmarks.http.application:create_app",
    ]
    environment = os.environ | {VARIANT: variant.name, VARIABLE_URL: url}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        _wait(process, port)
        yield Application(process, port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException, RuntimeError):
            Application(process, port).log_in(0)
            return
        time.sleep(0.1)
    msg = "the application did not start"
    raise RuntimeError(msg)
