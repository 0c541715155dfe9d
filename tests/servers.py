"""Private servers for tests and benchmarks, started from the binaries that are installed.

Each server has a temporary folder, a free port on the loopback interface and a process of its own; it is ended by that
process's id, also when the process that started it is killed. Another kind of server is one more subclass of
`PrivateServer`: how to find its programs, initialise its folder, start it, and see that it is ready.

    with require(postgres_from_environment_or_private) as server:  # skips, or fails where CI=true, if there is none
        dsn = server.create_database()
"""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = (
    "GivenMySQL",
    "GivenPostgres",
    "GivenSpanner",
    "MariaDBServer",
    "PostgresServer",
    "PrivateServer",
    "RedisServer",
    "ServerUnavailable",
    "SpannerEmulator",
    "ValkeyServer",
    "mariadb_from_environment_or_private",
    "postgres_from_environment_or_private",
    "require",
    "require_private",
    "spanner_from_environment_or_private",
)

POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
SPANNER_FOLDERS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "~/google-cloud-sdk",
)
POSTGRES_VARIABLE = "LITESTAR_SQLSTORES_TEST_POSTGRES"
MARIADB_VARIABLE = "LITESTAR_SQLSTORES_TEST_MARIADB"
MYSQL_VARIABLE = "LITESTAR_SQLSTORES_TEST_MYSQL"
SPANNER_VARIABLE = "SPANNER_EMULATOR_HOST"  # every client of Spanner's knows it
HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0

T = TypeVar("T")

# Holds the read end of a pipe from us: when we are gone, however it happened, the read ends and the server goes too.
WATCHDOG = """
read -r _
kill -s "$1" "$2"
tries=0
while kill -0 "$2" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf -- "$3"
"""


class ServerUnavailable(Exception):  # noqa: N818 - says what is so, not what went wrong
    """A server cannot be had here; the text says how to get it."""


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


class _Databases(ABC):
    """What can be done with any server of databases, ours or another's."""

    creates: ClassVar[str]
    """The statement that creates a database, with ``{}`` for its name."""

    @property
    @abstractmethod
    def dsn(self) -> str:
        """The URL of a database that exists."""

    @abstractmethod
    def execute(self, statement: str, dsn: str | None = None) -> None:
        """Run one statement outside of a transaction, here or in the database of `dsn`; inside an event loop too."""

    def create_database(self, name: str | None = None) -> str:
        """Create an empty database.

        Args:
            name: Its name; by default one that nobody has.

        Returns:
            The URL to connect to it.
        """
        name = name or f"litestar_sqlstores_{uuid4().hex[:12]}"
        self.execute(self.creates.format(name))
        return urlsplit(self.dsn)._replace(path=f"/{name}").geturl()


class _Given(_Databases):
    """A server that somebody else runs. As a context manager it drops the databases that were created.

    Args:
        dsn: The URL of a database whose user may create others.
    """

    drops: ClassVar[str]
    """The statement that drops a database, with ``{}`` for its name."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._created: list[str] = []

    @property
    def dsn(self) -> str:
        return self._dsn

    def create_database(self, name: str | None = None) -> str:
        dsn = super().create_database(name)
        self._created.append(urlsplit(dsn).path[1:])
        return dsn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._created:
            self.execute(self.drops.format(self._created.pop()))


class _Postgres(_Databases):
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


class GivenPostgres(_Given, _Postgres):
    """A PostgreSQL server that somebody else runs."""

    drops = 'DROP DATABASE IF EXISTS "{}" WITH (FORCE)'


class _MySQL(_Databases):
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


class MariaDBServer(PrivateServer, _MySQL):
    """A MariaDB server of our own: root needs no password, as durable as MariaDB is by default.

    Args:
        settings: Settings for `mariadbd`, such as `{"innodb-flush-log-at-trx-commit": "0"}`.

    Raises:
        ServerUnavailable: MariaDB's server programs are not installed.
    """

    accounts = ("mysql", "nobody")

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._server = _find_mariadb("mariadbd")
        self._installer = _find_mariadb("mariadb-install-db")
        self._settings = dict(settings or {})
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"mysql://root@{HOST}:{self.port}/mysql"

    def _initialise(self, directory: Path) -> None:
        self._run(
            [
                str(self._installer),
                *("--no-defaults", "--skip-test-db", "--skip-name-resolve"),
                "--auth-root-authentication-method=normal",
                *self._places(directory),
            ]
        )

    def _places(self, directory: Path) -> tuple[str, str]:
        # As it starts, MariaDB removes the temporary tables in its tmpdir: another server's, if that is /tmp.
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


class GivenMySQL(_Given, _MySQL):
    """A MySQL or MariaDB server that somebody else runs."""

    drops = "DROP DATABASE IF EXISTS `{}`"


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


class _Spanner(ABC):
    """What can be done with any emulator of Cloud Spanner, ours or another's."""

    @property
    @abstractmethod
    def dsn(self) -> str:
        """Its address, as `host:port`."""

    def create_database(self, *schema: str) -> str:
        """Create a database in a new instance of its own; inside an event loop too.

        Args:
            schema: DDL statements to begin with.

        Returns:
            The URL of it.
        """
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.spanner_v1 import Client

        name = f"test-{uuid4().hex[:12]}"
        client = Client(
            "test-project",
            AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=self.dsn),
            disable_builtin_metrics=True,
        )
        try:
            instance = client.instance(name, f"{client.project_name}/instanceConfigs/emulator-config", node_count=1)
            instance.create().result(START_SECONDS)
            instance.database(name, schema).create().result(START_SECONDS)
        finally:
            client.close()
        return f"spanner://{self.dsn}/projects/{client.project}/instances/{name}/databases/{name}"


class SpannerEmulator(PrivateServer, _Spanner):
    """An emulator of Cloud Spanner of our own, in memory.

    Raises:
        ServerUnavailable: The emulator is not installed.
    """

    def __init__(self) -> None:
        folders = [str(Path(folder).expanduser() / "bin/cloud_spanner_emulator") for folder in SPANNER_FOLDERS]
        program = shutil.which("emulator_main") or shutil.which("emulator_main", path=os.pathsep.join(folders))
        if program is None:
            msg = (
                "the emulator of Cloud Spanner is not installed (gcloud components install cloud-spanner-emulator, or "
                "apt-get install google-cloud-cli-spanner-emulator where Google's packages can be had); "
                f"or set {SPANNER_VARIABLE} to the address of one that runs"
            )
            raise ServerUnavailable(msg)
        self._program = program
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"{HOST}:{self.port}"

    def _command(self, directory: Path) -> list[str]:
        return [self._program, "--host_port", self.dsn]

    def _is_ready(self, directory: Path, pid: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            ports = (connection.laddr.port for connection in psutil.Process(pid).net_connections() if connection.laddr)
            return self.port in ports
        return False


class GivenSpanner(_Spanner):
    """An emulator that somebody else runs. What is created stays there, which is in memory.

    Args:
        address: Its address, as `host:port`.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def dsn(self) -> str:
        return self._address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def spanner_from_environment_or_private() -> SpannerEmulator | GivenSpanner:
    """The emulator that `SPANNER_EMULATOR_HOST` names, else a private one; to be used as a context manager.

    Raises:
        ServerUnavailable: The variable is not set and the emulator is not installed.
    """
    address = os.environ.get(SPANNER_VARIABLE)
    return GivenSpanner(address) if address else SpannerEmulator()


def postgres_from_environment_or_private(settings: Mapping[str, str] | None = None) -> PostgresServer | GivenPostgres:
    """The server that `LITESTAR_SQLSTORES_TEST_POSTGRES` names, else a private one; to be used as a context manager.

    Args:
        settings: Settings for a private server; a given one keeps its own.

    Raises:
        ServerUnavailable: The variable is not set and PostgreSQL is not installed.
    """
    dsn = os.environ.get(POSTGRES_VARIABLE)
    return GivenPostgres(dsn) if dsn else PostgresServer(settings)


def mariadb_from_environment_or_private(settings: Mapping[str, str] | None = None) -> MariaDBServer | GivenMySQL:
    """The server that `LITESTAR_SQLSTORES_TEST_MARIADB` names, else a private one; to be used as a context manager.

    Args:
        settings: Settings for a private server; a given one keeps its own.

    Raises:
        ServerUnavailable: The variable is not set and MariaDB is not installed.
    """
    dsn = os.environ.get(MARIADB_VARIABLE)
    return GivenMySQL(dsn) if dsn else MariaDBServer(settings)


def require(server: Callable[[], T]) -> T:
    """Call `server`; where it cannot be had, skip the test with what to do about it, or fail it if `CI` is `true`."""
    import pytest

    try:
        return server()
    except ServerUnavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def require_private(server: PostgresServer | GivenPostgres) -> PostgresServer:
    """Skip the test if the server is not ours to kill and restart."""
    import pytest

    if isinstance(server, GivenPostgres):
        pytest.skip(f"kills or restarts the server, which is not done to the one in {POSTGRES_VARIABLE}")
    return server


def _find_postgres() -> Path:
    """The folder of the newest PostgreSQL's server programs, or of those on PATH."""
    found = shutil.which("initdb")
    installed = [program for pattern in POSTGRES_FOLDERS for program in Path("/").glob(f"{pattern[1:]}/initdb")]
    installed.sort(key=lambda program: int(re.findall(r"\d+", str(program))[-1]), reverse=True)
    # Resolved, because a link to initdb on PATH need not have postgres beside it.
    for program in [Path(found), *installed] if found else installed:
        if (folder := program.resolve().parent).joinpath("postgres").exists():
            return folder
    msg = (
        "PostgreSQL's server is not installed (on Debian and Ubuntu: apt-get install postgresql); "
        f"or set {POSTGRES_VARIABLE} to the URL of a server whose user may create databases"
    )
    raise ServerUnavailable(msg)


def _find_mariadb(program: str) -> Path:
    """One of MariaDB's server programs."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found:
        return Path(found)
    msg = (
        "MariaDB's server is not installed (on Debian and Ubuntu: apt-get install mariadb-server); "
        f"or set {MARIADB_VARIABLE} to the URL of a server whose user may create databases"
    )
    raise ServerUnavailable(msg)


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
