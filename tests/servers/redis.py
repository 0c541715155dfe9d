"""Redis and Valkey, peers in the benchmarks."""

from __future__ import annotations

import shutil
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from tests.servers.availability import ServerUnavailable
from tests.servers.private import HOST, PrivateServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ("RedisServer", "ValkeyServer")


class RedisServer(PrivateServer):
    """A Redis server of our own, as it comes but for its snapshots; a peer in benchmarks.

    Args:
        settings: Settings for `redis-server`, such as `{"appendonly": "yes"}`.

    Raises:
        ServerUnavailable: redis-server is not installed.
    """

    program: ClassVar[str] = "redis-server"
    scheme: ClassVar[str] = "redis"

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        program = shutil.which(self.program)
        if program is None:
            msg = f"{self.program} is not installed (on Debian and Ubuntu: apt-get install {self.program})"
            raise ServerUnavailable(msg)
        self._program = program
        self._settings = {"save": "", **(settings or {})}
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}/0"

    def _command(self, directory: Path) -> list[str]:
        settings = [argument for name, value in self._settings.items() for argument in (f"--{name}", value)]
        return [self._program, "--bind", HOST, "--port", str(self.port), "--dir", str(directory), *settings]

    def _is_ready(self, directory: Path, pid: int) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\n")
            return f"process_id:{pid}\r".encode() in connection.recv(4096)  # and nobody else's server
        return False


class ValkeyServer(RedisServer):
    """A Valkey server of our own, which is Redis up to the names."""

    program = "valkey-server"
    scheme = "valkey"
