"""PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.availability import ServerUnavailable
from tests.servers.databases import Databases, GivenServer
from tests.servers.private import HOST, PrivateServer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "GivenPostgres",
    "PostgresServer",
    "PostgresStandby",
    "postgres_from_environment_or_private",
    "require_private",
)

VARIABLE = "LITESTAR_SQLSTORES_TEST_POSTGRES"
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


class _Postgres(Databases):
    """What can be done with any PostgreSQL server, ours or another's."""

    creates = 'CREATE DATABASE "{}" TEMPLATE template0'

    def execute(self, statement: str, dsn: str | None = None) -> None:
        """Run one statement outside of a transaction, here or in the database of `dsn`; inside an event loop too."""

        async def run() -> None:
            import asyncpg

            connection = await asyncpg.connect(dsn or self.dsn)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(asyncio.run, run()).result()


class PostgresServer(PrivateServer, _Postgres):
    """A PostgreSQL server of our own: trusts its clients, UTF-8, C locale, as durable as PostgreSQL is by default.

    Args:
        settings: Settings for `postgres -c`, such as `{"fsync": "off"}`.

    Raises:
        ServerUnavailable: PostgreSQL's server programs are not installed.
    """

    stop_signal = signal.SIGINT
    accounts = ("postgres", "nobody")

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._programs = _find_postgres()
        self._settings = {"listen_addresses": HOST, "unix_socket_directories": "", **(settings or {})}
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/postgres"

    def _initialise(self, directory: Path) -> None:
        self._run(
            [
                str(self._programs / "initdb"),
                *("--pgdata", str(directory / "data")),
                *("--username", "postgres", "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C"),
                "--no-sync",  # of the new files only
            ]
        )

    def _command(self, directory: Path) -> list[str]:
        settings = [argument for name, value in self._settings.items() for argument in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(directory / "data"), "-p", str(self.port), *settings]

    def _is_ready(self, directory: Path, pid: int) -> bool:
        # The first line is the process id (a crashed server leaves its file behind), the eighth the state.
        try:
            lines = (directory / "data" / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"


class PostgresStandby(PostgresServer):
    """A standby of our own, which follows a primary until it is promoted.

    Args:
        primary: The primary, which runs.
        settings: Settings for `postgres -c`.
    """

    def __init__(self, primary: PostgresServer, settings: Mapping[str, str] | None = None) -> None:
        self._primary = primary
        super().__init__(settings)

    def _initialise(self, directory: Path) -> None:
        self._run(
            [
                str(self._programs / "pg_basebackup"),
                *("--dbname", f"host={HOST} port={self._primary.port} user=postgres application_name=standby"),
                *("--pgdata", str(directory / "data")),
                *("--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"),
            ]
        )

    def promote(self) -> None:
        """Make it the primary; returns when it is."""
        self.execute("SELECT pg_promote()")


class GivenPostgres(GivenServer, _Postgres):
    """A PostgreSQL server that somebody else runs."""

    # WITH (FORCE) came with PostgreSQL 13.
    drops = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        'DROP DATABASE IF EXISTS "{}"',
    )


def postgres_from_environment_or_private(settings: Mapping[str, str] | None = None) -> PostgresServer | GivenPostgres:
    """The server that `LITESTAR_SQLSTORES_TEST_POSTGRES` names, else a private one; to be used as a context manager.

    Args:
        settings: Settings for a private server; a given one keeps its own.

    Raises:
        ServerUnavailable: The variable is not set and PostgreSQL is not installed.
    """
    dsn = os.environ.get(VARIABLE)
    return GivenPostgres(dsn) if dsn else PostgresServer(settings)


def _find_postgres() -> Path:
    """The folder of the newest PostgreSQL's server programs, or of those on PATH."""
    found = shutil.which("initdb")
    installed = [program for pattern in FOLDERS for program in Path("/").glob(f"{pattern[1:]}/initdb")]
    installed.sort(key=lambda program: int(re.findall(r"\d+", str(program))[-1]), reverse=True)
    # Resolved, because a link to initdb on PATH need not have postgres beside it.
    for program in [Path(found), *installed] if found else installed:
        if (folder := program.resolve().parent).joinpath("postgres").exists():
            return folder
    msg = (
        "PostgreSQL's server is not installed (on Debian and Ubuntu: apt-get install postgresql); "
        f"or set {VARIABLE} to the URL of a server whose user may create databases"
    )
    raise ServerUnavailable(msg)


def require_private(server: PostgresServer | GivenPostgres) -> PostgresServer:
    """Skip the test if the server is not ours to kill and restart."""
    import pytest

    if isinstance(server, GivenPostgres):
        pytest.skip(f"kills or restarts the server, which is not done to the one in {VARIABLE}")
    return server
