"""The servers that the tests of MySQL and MariaDB start for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers import MariaDBServer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("QUIET", "Disguised")

# Processes are killed, not the machine; nothing but the tests writes.
QUIET = {"innodb-flush-log-at-trx-commit": "2", "innodb-stats-auto-recalc": "0"}


class Disguised(MariaDBServer):
    """A server that says to be of another version at its next start."""

    version = ""

    def _command(self, directory: Path) -> list[str]:
        return [*super()._command(directory), *([f"--version={self.version}"] if self.version else [])]
