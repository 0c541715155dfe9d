"""MariaDB and MySQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tests.servers.availability import ServerUnavailable
from tests.servers.databases import Databases, GivenServer
from tests.servers.private import HOST, PrivateServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = (
    "GivenMySQL",
    "MariaDBServer",
    "MySQLServer",
    "mariadb_from_environment_or_private",
    "mysql_from_environment_or_private",
)

MARIADB_VARIABLE = "LITESTAR_SQLSTORES_TEST_MARIADB"
MYSQL_VARIABLE = "LITESTAR_SQLSTORES_TEST_MYSQL"
MYSQL_FOLDERS = ("/usr/local/mysql/bin", "/opt/mysql*/bin", "/opt/homebrew/opt/mysql*/bin")
UNPACKED_MYSQL = Path(__file__).parents[2] / ".mysql" / "mysqld"


class _MySQLDatabases(Databases):
    """What can be done with any MySQL or MariaDB server, ours or another's."""

    creates = "CREATE DATABASE `{}`"

    def execute(self, statement: str, dsn: str | None = None) -> None:
        """Run one statement, here or in the database of `dsn`; inside an event loop too."""
        import pymysql

        parts = urlsplit(dsn or self.dsn)
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path[1:],
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


class GivenMySQL(GivenServer, _MySQLDatabases):
    """A MySQL or MariaDB server that somebody else runs."""

    drops = ("DROP DATABASE IF EXISTS `{}`",)


class _PrivateMySQL(PrivateServer, _MySQLDatabases):
    """A server of our own: root needs no password, as durable as it is by default.

    Args:
        settings: Settings for the server, such as `{"innodb-flush-log-at-trx-commit": "0"}`.

    Raises:
        ServerUnavailable: Its programs are not installed.
    """

    accounts = ("mysql", "nobody")

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._server = self._find_server()
        self._settings = dict(settings or {})
        super().__init__()

    @abstractmethod
    def _find_server(self) -> Path:
        """The program that is the server."""

    @property
    def dsn(self) -> str:
        return f"mysql://root@{HOST}:{self.port}/mysql"

    def _places(self, directory: Path) -> Sequence[str]:
        # As they start, servers remove the temporary tables in their tmpdir: another server's, if that is /tmp.
        return f"--datadir={directory / 'data'}", f"--tmpdir={directory}"

    def _command(self, directory: Path) -> list[str]:
        return [
            str(self._server),
            "--no-defaults",
            *self._places(directory),
            *(f"--{name}={directory / name}" for name in ("socket", "pid-file")),
            *(f"--port={self.port}", f"--bind-address={HOST}", "--skip-name-resolve"),
            *(f"--{name}={value}" for name, value in self._settings.items()),
        ]

    def _is_ready(self, directory: Path, pid: int) -> bool:
        # A crashed server leaves its file behind. One that is ready speaks first, version 10 of the protocol.
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as connection:
            return (directory / "pid-file").read_text().strip() == str(pid) and connection.recv(5)[4:] == b"\n"
        return False


class MariaDBServer(_PrivateMySQL):
    """A MariaDB server of our own; see the class it is made from."""

    def _find_server(self) -> Path:
        return _find_mariadb("mariadbd")

    def _initialise(self, directory: Path) -> None:
        self._run(
            [
                str(_find_mariadb("mariadb-install-db")),
                *("--no-defaults", "--skip-test-db", "--skip-name-resolve"),
                "--auth-root-authentication-method=normal",
                *self._places(directory),
            ]
        )


class MySQLServer(_PrivateMySQL):
    """A MySQL server of our own; see the class it is made from."""

    def _find_server(self) -> Path:
        return _find_mysql()

    def _initialise(self, directory: Path) -> None:
        # Without names, the root@localhost that there is cannot come in.
        accounts = directory / "accounts.sql"
        accounts.write_text(f"CREATE USER root@'{HOST}'; GRANT ALL ON *.* TO root@'{HOST}' WITH GRANT OPTION;\n")
        self._run(
            [
                *(str(self._server), "--no-defaults", *self._places(directory)),
                *("--initialize-insecure", f"--init-file={accounts}"),
            ]
        )

    def _places(self, directory: Path) -> Sequence[str]:
        # For files that statements read and write: by default a folder of the system's, which need not exist.
        return *super()._places(directory), "--secure-file-priv=NULL"

    def _command(self, directory: Path) -> list[str]:
        return [*super()._command(directory), "--mysqlx=OFF"]  # another protocol, with a port of its own


def mariadb_from_environment_or_private(settings: Mapping[str, str] | None = None) -> MariaDBServer | GivenMySQL:
    """The server that `LITESTAR_SQLSTORES_TEST_MARIADB` names, else a private one; to be used as a context manager.

    Args:
        settings: Settings for a private server; a given one keeps its own.

    Raises:
        ServerUnavailable: The variable is not set and MariaDB is not installed.
    """
    dsn = os.environ.get(MARIADB_VARIABLE)
    return GivenMySQL(dsn) if dsn else MariaDBServer(settings)


def mysql_from_environment_or_private(settings: Mapping[str, str] | None = None) -> MySQLServer | GivenMySQL:
    """The server that `LITESTAR_SQLSTORES_TEST_MYSQL` names, else a private one; to be used as a context manager.

    Args:
        settings: Settings for a private server; a given one keeps its own.

    Raises:
        ServerUnavailable: The variable is not set and MySQL is not installed.
    """
    dsn = os.environ.get(MYSQL_VARIABLE)
    return GivenMySQL(dsn) if dsn else MySQLServer(settings)


def _which(program: str) -> str | None:
    """A program on PATH, or where servers are that only root has on it."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _find_mariadb(program: str) -> Path:
    """One of MariaDB's server programs."""
    if found := _which(program):
        return Path(found)
    msg = (
        "MariaDB's server is not installed (on Debian and Ubuntu: apt-get install mariadb-server); "
        f"or set {MARIADB_VARIABLE} to the URL of a server whose user may create databases"
    )
    raise ServerUnavailable(msg)


def _find_mysql() -> Path:
    """MySQL's server program; the one of this name may be MariaDB's."""
    installed = _which("mysqld")
    folders = (folder for pattern in MYSQL_FOLDERS for folder in sorted(Path("/").glob(pattern[1:]), reverse=True))
    for program in (UNPACKED_MYSQL, *([Path(installed)] if installed else []), *(each / "mysqld" for each in folders)):
        if program.exists() and "MariaDB" not in subprocess.check_output([program, "--version"], text=True):
            return program
    msg = (
        "MySQL's server is not installed (on Debian and Ubuntu, .ci/mysql puts it into this folder: as packages it and"
        f" MariaDB exclude each other); or set {MYSQL_VARIABLE} to the URL of a server whose user may create databases"
    )
    raise ServerUnavailable(msg)
