"""PgBouncer."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tests.servers.availability import ServerUnavailable
from tests.servers.postgres import PostgresServer
from tests.servers.private import HOST, PrivateServer

__all__ = ("PgBouncer",)

CONFIGURATION = """
[databases]
* = host={host} port={server} user=postgres

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
"""


class PgBouncer(PrivateServer):
    """A PgBouncer of our own in front of a server.

    Args:
        server: The server.
        mode: ``transaction`` or ``session``.

    Raises:
        ServerUnavailable: PgBouncer is not installed.
    """

    accounts = ("postgres", "nobody")

    def __init__(self, server: PostgresServer, mode: str) -> None:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            msg = "PgBouncer is not installed (on Debian and Ubuntu: apt-get install pgbouncer)"
            raise ServerUnavailable(msg)
        self._program = program
        self._server = server
        self._mode = mode
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/postgres"

    def _command(self, directory: Path) -> list[str]:
        configuration = directory / "pgbouncer.ini"
        # The port may have been taken since.
        text = CONFIGURATION.format(
            host=HOST,
            server=self._server.port,
            port=self.port,
            mode=self._mode,
            # Few that clients share; a session has one for as long as its client keeps it.
            size=3 if self._mode == "transaction" else 30,
        )
        configuration.write_text(text)
        return [self._program, str(configuration)]

    def _is_ready(self, directory: Path, pid: int) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == 0
