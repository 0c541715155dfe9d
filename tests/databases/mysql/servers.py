"""The servers that the tests of MySQL and MariaDB start for themselves."""

from __future__ import annotations

from pathlib import Path

from tests.servers import MariaDBServer
from tests.servers.availability import ServerUnavailable
from tests.servers.private import HOST

__all__ = ("QUIET", "Disguised", "GaleraNode")

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")

# Processes are killed, not the machine; nothing but the tests writes.
QUIET = {"innodb-flush-log-at-trx-commit": "2", "innodb-stats-auto-recalc": "0"}


class Disguised(MariaDBServer):
    """A server that says to be of another version at its next start."""

    version = ""

    def _command(self, directory: Path) -> list[str]:
        return [*super()._command(directory), *([f"--version={self.version}"] if self.version else [])]


class GaleraNode(MariaDBServer):
    """A cluster of one node.

    Raises:
        ServerUnavailable: Galera's library is not installed.
    """

    def __init__(self) -> None:
        if not PROVIDER.exists():
            msg = "Galera is not installed (on Debian and Ubuntu: apt-get install galera-4)"
            raise ServerUnavailable(msg)
        super().__init__(QUIET)

    def _command(self, directory: Path) -> list[str]:
        # A port of its own for the group, which nobody joins.
        listen = f"gmcast.listen_addr=tcp://{HOST}:{self.port + 1}"
        settings = {
            "wsrep-on": "ON",
            "wsrep-provider": str(PROVIDER),
            "wsrep-cluster-address": "gcomm://",
            "wsrep-node-address": HOST,
            "wsrep-provider-options": listen,
            "binlog-format": "ROW",
        }
        return [*super()._command(directory), "--wsrep-new-cluster", *(f"--{k}={v}" for k, v in settings.items())]
