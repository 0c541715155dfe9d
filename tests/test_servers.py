from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest

from tests.servers import (
    GivenPostgres,
    PostgresServer,
    RedisServer,
    ServerUnavailable,
    postgres_from_environment_or_private,
    require,
    require_private,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTS_A_SERVER_AND_WAITS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have turned off for its background
from tests.servers import PostgresServer
server = PostgresServer()
server.start()
print(server.pid, server.directory, flush=True)
input()
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with require(PostgresServer) as server:
        yield server


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def fetch(dsn: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_postgres_is_durable_and_listens_on_loopback_only(postgres: PostgresServer) -> None:
    settings = "'fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'server_encoding', 'lc_collate'"
    rows = await fetch(postgres.dsn, f"SELECT name, setting FROM pg_settings WHERE name IN ({settings})")
    assert set(rows) >= {
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("server_encoding", "UTF8"),
    }
    assert await fetch(postgres.dsn, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == [("C",)]
    assert postgres.is_running
    if os.geteuid() == 0:
        assert psutil.Process(postgres.pid).uids().effective != 0


async def test_databases_are_apart_and_created_inside_an_event_loop(postgres: PostgresServer) -> None:
    one, other = postgres.create_database(), postgres.create_database()
    assert one != other
    postgres.execute("CREATE TABLE notes (note text)", one)
    tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
    assert await fetch(one, tables) == [("notes",)]
    assert await fetch(other, tables) == []


@pytest.mark.parametrize("crash", [True, False], ids=["kill", "stop"])
async def test_data_survives_kill_and_stop_and_the_port_stays(postgres: PostgresServer, crash: bool) -> None:
    dsn = postgres.create_database()
    postgres.execute("CREATE TABLE notes (note text)", dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("INSERT INTO notes VALUES ('kept')")
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        server = postgres.pid
        if crash:
            postgres.kill()
        else:
            postgres.stop()
        assert not postgres.is_running
        assert not is_alive(server)
        assert not is_alive(backend)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
            await connection.fetchval("SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(dsn)
    finally:
        connection.terminate()
        postgres.restart()
    assert postgres.pid != server
    assert await fetch(dsn, "SELECT note FROM notes") == [("kept",)]
    recovered = "was not properly shut down; automatic recovery in progress"
    assert (recovered in postgres.log) or not crash


async def test_restart_of_a_running_server(postgres: PostgresServer) -> None:
    before = postgres.pid
    postgres.restart()
    assert postgres.pid != before
    assert await fetch(postgres.dsn, "SELECT 1") == [(1,)]
    with pytest.raises(RuntimeError, match="running already"):
        postgres.start()


async def test_closing_leaves_nothing() -> None:
    with require(lambda: PostgresServer({"application_name": "mine", "fsync": "off"})) as server:
        pid, directory = server.pid, server.directory
        assert directory is not None
        assert directory.exists()
        assert await fetch(server.dsn, "SHOW fsync") == [("off",)]
    assert not is_alive(pid)
    assert not directory.exists()
    with pytest.raises(RuntimeError, match="PostgresServer is not running"):
        _ = server.pid


def test_a_server_that_does_not_start_says_why_and_leaves_nothing() -> None:
    server = require(lambda: PostgresServer({"max_connections": "no number"}))
    seen: list[Path] = []
    make_directory = server._make_directory

    def remember() -> Path:
        seen.append(make_directory())
        return seen[0]

    server._make_directory = remember  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match='invalid value for parameter "max_connections"'), server:
        pass
    assert not server.is_running
    assert not seen[0].exists()


async def test_a_port_that_somebody_took_is_given_up() -> None:
    server = require(PostgresServer)
    with socket.create_server(("127.0.0.1", server.port)), server:
        assert await fetch(server.dsn, "SELECT 1") == [(1,)]


async def test_a_port_that_somebody_took_while_the_server_was_down_is_an_error() -> None:
    with require(PostgresServer) as server:
        server.stop()
        with socket.create_server(("127.0.0.1", server.port)), pytest.raises(RuntimeError, match="already in use"):
            server.start()
        server.start()
        assert await fetch(server.dsn, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_with_the_process_that_started_it(postgres: PostgresServer, end: signal.Signals) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SERVER_AND_WAITS],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert starter.stdout is not None
        pid, directory = starter.stdout.readline().split()
        assert is_alive(int(pid))
        assert Path(directory).exists()
        starter.send_signal(end)
        starter.wait(20)
        deadline = time.monotonic() + 20
        while (is_alive(int(pid)) or Path(directory).exists()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_alive(int(pid))
        assert not Path(directory).exists()
    finally:
        starter.kill()
        starter.communicate()


async def test_a_given_server_is_left_as_it_was(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    databases = "SELECT datname::text FROM pg_database ORDER BY 1"
    before = await fetch(postgres.dsn, databases)
    monkeypatch.setenv("LITESTAR_SQLSTORES_TEST_POSTGRES", postgres.dsn)
    with postgres_from_environment_or_private() as server:
        assert isinstance(server, GivenPostgres)
        assert server.dsn == postgres.dsn
        dsn = server.create_database()
        assert await fetch(dsn, "SELECT 1") == [(1,)]
        assert len(await fetch(postgres.dsn, databases)) == len(before) + 1
        with pytest.raises(pytest.skip.Exception, match="LITESTAR_SQLSTORES_TEST_POSTGRES"):
            require_private(server)
    assert await fetch(postgres.dsn, databases) == before
    assert require_private(postgres) is postgres


def test_without_the_variable_the_server_is_private(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITESTAR_SQLSTORES_TEST_POSTGRES", raising=False)
    assert isinstance(postgres_from_environment_or_private({"fsync": "off"}), PostgresServer)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LITESTAR_SQLSTORES_TEST_POSTGRES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.servers.postgres.FOLDERS", ())


@pytest.mark.usefixtures("nothing_installed")
def test_missing_programs_say_how_to_get_them() -> None:
    with pytest.raises(ServerUnavailable, match=r"apt-get install postgresql\).*LITESTAR_SQLSTORES_TEST_POSTGRES"):
        PostgresServer()
    with pytest.raises(ServerUnavailable, match="apt-get install redis-server"):
        RedisServer()


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_server_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install postgresql"):
        require(postgres_from_environment_or_private)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install postgresql"):
        require(postgres_from_environment_or_private)


def test_the_newest_postgres_is_found_without_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("tests.servers.postgres.FOLDERS", (f"{tmp_path}/*/bin",))
    for version, programs in {"9": ["initdb", "postgres"], "15": ["initdb", "postgres"], "16": ["initdb"]}.items():
        (folder := tmp_path / version / "bin").mkdir(parents=True)
        for program in programs:
            (folder / program).touch()
    assert PostgresServer()._programs == tmp_path / "15" / "bin"  # 16 has no server


def test_redis_answers_after_a_restart() -> None:
    with require(RedisServer) as server:
        assert server.dsn == f"redis://127.0.0.1:{server.port}/0"
        assert server.is_running
        first = server.pid
        server.kill()
        assert not server.is_running
        server.restart()
        assert server.pid != first
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"CONFIG GET save\r\n")
            assert connection.recv(100) == b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"
    assert not server.is_running


def test_a_backend_that_nobody_knows_is_an_error_and_not_skipped() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--collect-only",
            "tests/contract/test_add.py",
        ],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "LITESTAR_SQLSTORES_TEST_BACKENDS": "sqlite-file, postgres"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "LITESTAR_SQLSTORES_TEST_BACKENDS has 'postgres'; known are sqlite-file, " in run.stderr
