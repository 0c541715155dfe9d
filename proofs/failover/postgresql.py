"""A primary and a standby that has what was acknowledged."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import HOST, PostgresServer

__all__ = ("Pair", "open_pair")

SETTINGS = {"wal_receiver_status_interval": "1s", "hot_standby": "on"}


class _Standby(PostgresServer):
    """A copy of another server that streams what it writes."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__(SETTINGS)
        self._primary = primary

    def _initialise(self, directory: Path) -> None:
        program = str(self._programs / "pg_basebackup")
        source = ["-h", HOST, "-p", str(self._primary.port), "-U", "postgres"]
        target = ["-D", str(directory / "data"), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]
        self._run([program, *source, *target])

    def _is_ready(self, directory: Path, pid: int) -> bool:
        try:
            lines = (directory / "data" / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() in {"ready", "standby"}


class Pair:
    """Both servers, and a database of them.

    Args:
        primary: The one that takes writes.
        standby: The one that will.
        dsn: The database, on the primary.
    """

    def __init__(self, primary: PostgresServer, standby: PostgresServer, dsn: str) -> None:
        self.primary, self.standby = primary, standby
        name = urlsplit(dsn).path
        hosts = f"{HOST}:{primary.port},{HOST}:{standby.port}"
        self.url = f"postgresql://postgres@{hosts}{name}?target_session_attrs=read-write"
        self.standby_url = f"postgresql://postgres@{HOST}:{standby.port}{name}"

    async def kill(self) -> None:
        """The primary crashes, and the standby is promoted."""
        await asyncio.to_thread(self.primary.kill)
        await self._promote()

    async def switch_over(self) -> None:
        """The primary becomes read-only and stays up, and the standby is promoted."""
        for statement in ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"):
            await asyncio.to_thread(self.primary.execute, statement)
        await asyncio.sleep(1)
        await self._promote()

    async def _promote(self) -> None:
        await asyncio.to_thread(self.standby.execute, "SELECT pg_promote(true, 30)")


@contextmanager
def open_pair() -> Iterator[Pair]:
    """Start both; a commit waits for the standby."""
    with PostgresServer(SETTINGS) as primary:
        dsn = primary.create_database()
        with _Standby(primary) as standby:
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            yield Pair(primary, standby, dsn)
