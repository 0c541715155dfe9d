"""A server process of our own: its folder, its port, its life and its end."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import psutil

from tests.servers.availability import ServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("HOST", "START_SECONDS", "PrivateServer")

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0

# Holds the read end of a pipe from us: when we are gone, however it happened, the read ends and the server goes too.
WATCHDOG = """
read -r _
kill -s "$1" "$2"
tries=0
while kill -0 "$2" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf -- "$3"
"""


class PrivateServer(ABC):
    """A server process of our own. As a context manager it is started on entering, and ended and removed on leaving.

    The methods block: from a coroutine, use `await asyncio.to_thread(server.restart)`.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """The signal that asks for an orderly end which does not wait for clients."""
    accounts: ClassVar[Sequence[str]] = ("nobody",)
    """Who the server runs as if we are root; the first that exists."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.directory: Path | None = None
        self._account: pwd.struct_passwd | None = _first_account(self.accounts) if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def dsn(self) -> str:
        """The URL to connect to."""

    @abstractmethod
    def _command(self, directory: Path) -> list[str]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def _is_ready(self, directory: Path, pid: int) -> bool:
        """Whether the server takes connections."""

    def _initialise(self, directory: Path) -> None:  # noqa: B027 - most servers need nothing
        """Make what the server needs before its first start."""

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        if self._process is None:
            msg = f"{type(self).__name__} is not running"
            raise RuntimeError(msg)
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server wrote, from its first start on."""
        return "" if self.directory is None else (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the server, with the port and the data it had before, and wait until it is ready."""
        if self._process is not None:
            msg = f"{type(self).__name__} is running already"
            raise RuntimeError(msg)
        first = self.directory is None
        if self.directory is None:
            self.directory = self._make_directory()
            self._initialise(self.directory)
        while not self._starts(self.directory):
            if not first or _is_free(self.port):
                msg = f"{type(self).__name__} did not start:\n{self.log[-4000:]}"
                raise RuntimeError(msg)
            self.port = _free_port()  # somebody else took it in the meantime

    def stop(self) -> None:
        """End the server in an orderly way; its data stays. Does nothing if it is not running."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._forget_process()

    def kill(self) -> None:
        """End the server and its children at once, as a crash does; its data stays. Nothing if it is not running."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            children = server.children(recursive=True)
            server.kill()  # before its children, so that it cannot start others
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            while any(_is_alive(child) for child in children):
                time.sleep(0.01)
        self._process.wait(STOP_SECONDS)
        self._forget_process()

    def restart(self) -> None:
        """Stop the server if it is running, and start it with the same port and data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        if self.directory is not None:
            shutil.rmtree(self.directory)
            self.directory = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _starts(self, directory: Path) -> bool:
        with (directory / "log").open("ab") as log:
            self._process = self._spawn(self._command(directory), output=log.fileno())
        self._watchdog = _watch(self._process.pid, self.stop_signal, directory)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready(directory, self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                return False
            time.sleep(0.02)
        return True

    def _make_directory(self) -> Path:
        base = Path(tempfile.gettempdir()).resolve()
        if self._account is not None and not all(path.stat().st_mode & 0o001 for path in (base, *base.parents)):
            base = Path("/tmp")  # the folder we were given is closed to the account that the server runs as
        directory = Path(tempfile.mkdtemp(prefix="litestar-sqlstores-", dir=base))
        if self._account is not None:
            os.chown(directory, self._account.pw_uid, self._account.pw_gid)
        return directory

    def _spawn(self, command: list[str], *, output: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        account = self._account
        return subprocess.Popen(
            command,
            cwd=self.directory,
            # What libpq's variables say is meant for other servers than this one.
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"},
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else [],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the tests: they end the server when they no longer need it
        )

    def _run(self, command: list[str]) -> None:
        process = self._spawn(command)
        output, _ = process.communicate()
        if process.returncode:
            msg = f"{command[0]} failed:\n{output.decode(errors='replace')}"
            raise RuntimeError(msg)

    def _forget_process(self) -> None:
        self._process = None
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None


def _first_account(names: Sequence[str]) -> pwd.struct_passwd:
    for name in names:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    msg = f"a server must not run as root, and there is none of these accounts: {', '.join(names)}"
    raise ServerUnavailable(msg)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # in a container there may be nobody to reap it
    except psutil.NoSuchProcess:
        return False


def _free_port() -> int:
    # Below what kernels give to outgoing connections, so that none takes the port while the server is down. Not from
    # the shared generator: property tests seed it, and two runs at a time would want the same ports.
    generator = random.SystemRandom()
    while not _is_free(port := generator.randrange(10_000, 30_000)):
        pass
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


def _watch(pid: int, stop_signal: signal.Signals, directory: Path) -> subprocess.Popen[bytes]:
    """End the server and remove its folder if this process ends without having done so."""
    arguments = [stop_signal.name.removeprefix("SIG"), str(pid), str(directory)]
    return subprocess.Popen(
        ["/bin/sh", "-c", WATCHDOG, "watchdog", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
