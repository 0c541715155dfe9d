"""Every command as a user runs it: a process of its own, over a real database."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import create_store
from tests.backends import quoted_table, rows
from tests.cli.processes import Finished, Processes, finish, plugin_options
from tests.waiting import until
from tests.wiring.test_processes import FILL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.backends import Backend, Database, Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

every_database = pytest.mark.needs("processes")
WITH_ROWS = ("sqlite-file", "postgresql")
"""Where very many rows can be made at once."""


async def fill(store: Store) -> None:
    """Two sessions of Alice's, one of Bob's, a cache, and what has expired of another application."""
    sessions, cache = store.with_namespace("sessions"), store.with_namespace("response_cache")
    other = create_store(store.config, table=store.settings.table, namespace="OTHER")
    await sessions.set_many({"one": "{}", "two": "{}"}, expires_in=7200, owner="alice")
    await sessions.set("three", b'{"secret": 1}', expires_in=60, owner="bob")
    await cache.set_many({str(number): b"\xff page" for number in range(5)})
    await other.set_many({str(number): b"1" for number in range(3)}, expires_in=0.001)
    await other.aclose()
    await asyncio.sleep(0.01)


@every_database
@pytest.mark.sampled
@pytest.mark.formats("bytes")
async def test_a_life_of_a_table(backend: Backend, database: Database, store: Store, tmp_path: Path) -> None:
    cli = Processes(tmp_path, plugin_options(database))
    await store.drop_table()
    whole = backend.name == "postgresql"
    if whole:
        check, stats = await cli.run_all("check", "stats")
        missing = f"table {database.table!r} does not exist; create it with `litestar stores init`"
        assert check.failure == stats.failure == (1, missing)
    created = await cli.run("init", "--json")
    assert created.document == {"table": database.table, "created": True}
    await fill(store)
    check, stats, info, *answers = await cli.run_all(
        "check",
        "stats --json",
        "get-info three --json",
        *(["clear cache", "revoke carol", "get-info -"] if whole else []),
    )
    assert check == Finished(0, f"table {database.table!r} is what the store expects\n", "")
    assert stats.error == ""
    check_stats(database, stats.document)
    (entry,) = info.document["entries"]
    assert (entry["namespace"], entry["state"], entry["bytes"], entry["owner"]) == (
        *("LITESTAR_sessions", "live", 13),
        "bob",
    )
    assert "secret" not in info.out
    for answer, failure in zip(answers, REFUSALS, strict=False):
        exit_code, text = answer.failure
        assert (exit_code, text.format(table=database.table)) == (1, failure.format(table=repr(database.table)))

    await remove(cli, database, whole)
    left = await rows(store, "namespace, owner")
    assert [(row["namespace"], row["owner"]) for row in left] == [("LITESTAR_sessions", "bob")]


REFUSALS = (
    "table {table} has no namespace 'cache' of this application; there are LITESTAR_response_cache, LITESTAR_sessions",
    "this owner has no entries; owners are what `owner_key` of SQLSessionConfig, or `set`, was given",
    "there is no entry under this key; a cookie may hold an id whose session has ended",
)


def check_stats(database: Database, document: Any) -> None:
    assert (document["table"], document["live"], document["expired"]) == (database.table, 8, 3)
    assert document["bytes"] == 2 * 2 + 13 + 5 * 6 + 3
    assert document["expiring"]["never"] == 5
    assert sum(document["expiring"].values()) == 8
    assert [(each["namespace"], each["live"], each["expired"]) for each in document["namespaces"]] == [
        ("LITESTAR_response_cache", 5, 0),
        ("LITESTAR_sessions", 3, 0),
        ("OTHER", 0, 3),
    ]


async def remove(cli: Processes, database: Database, whole: bool) -> None:
    """Clear the cache, revoke Alice's sessions, clean up what has expired."""
    if whole:
        refused = await cli.run("clear", "response_cache")
        question = (
            "there is no terminal to ask on: Remove all entries of 'LITESTAR_response_cache' and its children from"
            f" table {database.table!r}? Give --yes if so"
        )
        assert refused.failure == (2, question)
    clear, revoke, cleanup = await cli.run_all(
        "clear response_cache --yes --json", "revoke alice --json", "cleanup --json --batch-size 2"
    )
    assert clear.document == {"table": database.table, "namespace": "LITESTAR_response_cache", "removed": 5}
    assert revoke.document == {"table": database.table, "removed": 2}
    assert cleanup.document == {"table": database.table, "removed": 3, "complete": True}
    assert clear.error + revoke.error + cleanup.error == ""


# -- what takes long


async def expired_rows(store: Store, count: int) -> None:
    """So many rows that have expired."""
    sql = FILL[store.backend.dialect].format(table=quoted_table(store), count=count, sign="-")
    async with store.config.provide_session() as session:
        await session.execute(sql)
        await session.commit()


@every_database
@pytest.mark.formats("bytes")
async def test_ctrl_c_ends_a_cleanup_after_the_batch_in_hand(
    backend: Backend, database: Database, store: Store, tmp_path: Path
) -> None:
    if backend.name not in WITH_ROWS:
        pytest.skip("says nothing about the database")
    total = 100_000
    await expired_rows(store, total)
    process = Processes(tmp_path, plugin_options(database)).start("cleanup", "--json", "--batch-size", "10")

    async def has_begun() -> bool:
        (live,) = await store.stats()
        return live.expired < total

    await until(has_begun)
    process.send_signal(signal.SIGINT)
    finished = await finish(process)
    assert (finished.exit_code, finished.error) == (130, "")
    assert finished.document["complete"] is False
    removed = finished.document["removed"]
    (left,) = await store.stats()
    assert removed % 10 == 0
    assert left.expired == total - removed


class Terminal:
    """A terminal that a command has as its standard input and error, while its output is piped."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()

    async def run(self, cli: Processes, *arguments: str, text: str = "") -> Finished:
        process = cli.start(*arguments, stdin=self.slave, stderr=self.slave)
        os.close(self.slave)
        os.write(self._master, text.encode())
        shown, finished = await asyncio.gather(asyncio.to_thread(self._read), finish(process))
        os.close(self._master)
        return replace(finished, error=shown)

    def _read(self) -> str:
        shown = b""
        try:
            while part := os.read(self._master, 1024):
                shown += part
        except OSError:  # how Linux says that nobody writes any more
            pass
        return shown.decode()


async def test_a_terminal_shows_progress_and_is_asked_while_the_output_stays_clean(tmp_path: Path) -> None:
    async with create_store(f"sqlite:///{tmp_path}/app.db") as store:
        await store.create_table()
        await expired_rows(store, 3000)
        await store.with_namespace("cache").set("key", "value")
        cli = Processes(tmp_path, {"config_or_url": "sqlite:///app.db"})
        cleaned, declined, cleared = (
            await Terminal().run(cli, "cleanup", "--json"),
            await Terminal().run(cli, "clear", "cache", text="n\n"),
            await Terminal().run(cli, "clear", "cache", text="y\n"),
        )
        assert cleaned.document == {"table": "litestar_session", "removed": 3000, "complete": True}
        assert re.search("removing expired entries.*3000/3000", cleaned.error)
        question = "Remove all entries of 'LITESTAR_cache' and its children from table 'litestar_session'?"
        assert question in declined.error
        assert declined.error.endswith("Error: nothing was removed\r\n")
        assert (declined.exit_code, declined.out) == (1, "")
        assert (cleared.exit_code, cleared.out) == (
            0,
            "removed 1 entries of 'LITESTAR_cache' from table 'litestar_session'\n",
        )


# -- what cannot be reached


@pytest.mark.parametrize("accepts", [False, True], ids=["nobody listens", "nobody answers"])
async def test_a_database_that_cannot_be_reached(accepts: bool, tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if accepts:
            server.listen()
        url = f"postgresql://user:secret@127.0.0.1:{server.getsockname()[1]}/app"
        cli = Processes(tmp_path, {"config_or_url": url, "timeout": 1})
        commands: Sequence[str] = ["stats"] if accepts else ["check", "cleanup --json"]
        for finished in await cli.run_all(*commands, "ddl"):
            if finished.out:
                assert finished.out.startswith("SELECT pg_advisory_xact_lock")
                continue
            exit_code, text = finished.failure
            assert exit_code == 1
            # Whether a connection is still being made when the time is up, or the statement waits, is a matter of luck.
            late = r"no (answer from|connection to) the database in 1 seconds \(timeout\)"
            assert re.match(late if accepts else "the database cannot be reached", text), text
            assert "secret" not in text
