"""Files that cannot be used, that change under a running store, and how a store leaves its file."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from litestar_sqlstores import ConfigurationError, MissingTableError, UnavailableError, create_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("rest", ["no_folder/app.db", ""], ids=["in no folder", "a folder"])
async def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path, rest: str) -> None:
    async with create_store(f"sqlite:///{tmp_path / rest}", timeout=30) as store:
        for call in (store.create_table(), store.get("key"), store.set("key", b"1")):
            with pytest.raises(UnavailableError, match="Its folder must be there") as caught:
                await call
            assert str(tmp_path) in str(caught.value)
            assert "unable to open database file" in str(caught.value.__cause__)


async def test_what_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"no database, but a text that is long enough to be one" * 100)
    async with create_store(f"sqlite:///{tmp_path}/app.db", timeout=30) as store:
        with pytest.raises(UnavailableError, match="cannot be used: file is not a database"):
            await store.get("key")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


READ = """
import asyncio, sys
from litestar_sqlstores import create_store

async def main():
    async with create_store(sys.argv[1], timeout=5) as store:
        for call in (store.get("key"), store.set("key", b"1"), store.create_table()):
            try:
                print("did", await call)
            except Exception as error:
                print(type(error).__name__, error)

asyncio.run(main())
"""


def in_another_process(path: Path) -> list[str]:
    """What a process that uses a store prints; it must not be ended by a signal."""
    run = subprocess.run(
        [sys.executable, "-c", READ, f"sqlite:///{path}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_folder_that_is_read_only_is_an_error_and_does_not_end_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert len(in_another_process(folder / "app.db")) == 3
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"
    if subprocess.run(mount, shell=True, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a folder for reading only")
    try:
        lines = in_another_process(folder / "app.db")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert len(lines) == 3
    assert all(line.startswith("UnavailableError the database file") for line in lines), lines


async def test_a_full_disk_is_an_error_and_what_was_stored_is_there(tmp_path: Path) -> None:
    async def limit(connection: Any) -> None:
        await connection.execute("PRAGMA max_page_count = 60")

    config = AiosqliteConfig(
        connection_config={"database": str(tmp_path / "app.db")}, driver_features={"on_connection_create": limit}
    )
    async with create_store(config) as store:
        await store.create_table()
        sets = [store.set(str(number), b"x" * 10_000) for number in range(30)]
        results = await asyncio.gather(*sets, return_exceptions=True)
        assert {str(result).partition(". ")[0] for result in results} == {
            f"the database file '{tmp_path}/app.db' cannot be used: database or disk is full"
        }
        await store.set("0", b"x" * 1000)
        with pytest.raises(UnavailableError, match="database or disk is full"):
            await store.set("long", b"x" * 1_000_000)
        assert await store.get_many(["0", "long", "1"]) == {"0": b"x" * 1000}
    await config.close_pool()


async def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    for encoding in ("UTF-16le", "UTF-16be"):
        path = tmp_path / f"{encoding}.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA encoding = '{encoding}'")
            connection.execute("CREATE TABLE other (name TEXT)")
        async with create_store(f"sqlite:///{path}") as store:
            for call in (store.create_table(), store.get("key")):
                with pytest.raises(ConfigurationError, match=f"in {encoding}, and this store needs UTF-8"):
                    await call


@pytest.mark.parametrize("how", ["deleted", "replaced"])
async def test_a_file_that_goes_away_is_noticed_at_once(tmp_path: Path, how: str) -> None:
    path = tmp_path / "app.db"
    async with create_store(f"sqlite:///{path}") as store:
        await store.create_table()
        await store.set("key", b"old")
        for name in files(tmp_path):
            (tmp_path / name).unlink()
        if how == "replaced":
            async with create_store(f"sqlite:///{tmp_path}/new.db") as other:
                await other.create_table()
                await other.set("key", b"new")
            shutil.move(tmp_path / "new.db", path)
            # While the store has its connection, and when it has another one.
            assert await store.get("key") == b"new"
        else:
            for call in (store.get("key"), store.set("key", b"1")):
                with pytest.raises(MissingTableError):
                    await call
            await store.create_table()
        await store.set("key", b"newer")
    async with create_store(f"sqlite:///{path}") as store:
        assert await store.get("key") == b"newer"


async def test_a_store_leaves_one_file_with_everything_in_it(tmp_path: Path) -> None:
    async with create_store(f"sqlite:///{tmp_path}/app.db") as store:
        await store.create_table()
        await store.set_many({str(number): b"1" for number in range(100)})
        assert len(files(tmp_path)) == 3
    assert files(tmp_path) == ["app.db"]
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("SELECT count(*) FROM litestar_session").fetchone() == (100,)


async def test_a_store_on_the_pool_of_others_leaves_everything_in_the_file(tmp_path: Path) -> None:
    config = AiosqliteConfig(connection_config={"database": str(tmp_path / "app.db")})
    async with create_store(config) as store:
        await store.create_table()
        await store.set("key", b"1")
    shutil.copy(tmp_path / "app.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT count(*) FROM litestar_session").fetchone() == (1,)
    await config.close_pool()
