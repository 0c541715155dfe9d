"""That a backend from outside, made as docs/adding-a-backend.md says, passes the contract and is known by its URL."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig

from examples.toy_backend import ToyConfig, ToyStore
from litestar_sqlstores import (
    AiosqliteStore,
    BaseSQLSpecStore,
    ConfigurationError,
    KnownBackend,
    MissingDriverError,
    create_store,
    register_backend,
)
from litestar_sqlstores.factory import BACKENDS

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs/adding-a-backend.md").read_text()
# What its statements decide. The rest is about the driver, which another backend has too, and takes longer.
QUICK = ("expiry", "numbers", "replace", "renewal", "tables")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_toy_passes_the_contract() -> None:
    [line] = re.findall(r"^\$ (.*contract.*)$", GUIDE, re.MULTILINE)
    variable, command, *arguments = shlex.split(line)
    assert (command, arguments[2]) == ("pytest", "tests/contract")
    files = [f"tests/contract/test_{name}.py" for name in QUICK]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments[:2], *files],
        cwd=ROOT,
        env={**os.environ, **dict([variable.split("=")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert int(re.findall(r"(\d+) passed", run.stdout)[-1]) > 50


async def test_it_is_known_by_its_url_and_its_config(tmp_path: Path) -> None:
    async with create_store(f"toy:///{tmp_path}/toy.db") as store:
        assert type(store) is ToyStore
        await store.create_table()
        await store.set("key", b"1")
        assert await store.get("key") == b"1"
    assert type(create_store(ToyConfig(connection_config={"database": "toy.db"}))) is ToyStore
    assert type(create_store(AiosqliteConfig(connection_config={"database": "toy.db"}))) is AiosqliteStore


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="data_format is 'json'; the toy stores 'bytes' only"):
        create_store("toy:///toy.db", data_format="json")


def test_to_register_again_changes_nothing() -> None:
    before = list(BACKENDS)
    register_backend(BACKENDS[-1])
    assert before == BACKENDS


@pytest.mark.parametrize(
    "config, driver, schemes, expected",
    [
        ("other:AsyncpgConfig", "other", ("other",), "AsyncpgStore takes AsyncpgConfig already"),
        ("other:OtherConfig", "asyncpg", ("postgresql",), "AsyncpgStore has 'asyncpg' URLs already"),
    ],
)
def test_a_backend_in_place_of_another_is_refused(
    config: str, driver: str, schemes: tuple[str, ...], expected: str
) -> None:
    before = list(BACKENDS)
    with pytest.raises(ConfigurationError, match=f"{expected}; give OtherStore"):
        register_backend(KnownBackend("other:OtherStore", config, driver, schemes))
    assert before == BACKENDS


def test_its_missing_driver_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    other = KnownBackend("no_such_module:OtherStore", "x:OtherConfig", "other", ("other",), requires="other-driver>=2")
    monkeypatch.setattr("litestar_sqlstores.factory.BACKENDS", [*BACKENDS, other])
    with pytest.raises(MissingDriverError, match="OtherStore needs other: pip install 'other-driver>=2'"):
        create_store("other://host/app")


def test_every_part_of_the_toy_is_in_the_guide() -> None:
    folder = ROOT / "examples/toy_backend"
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert {name for name in files if f"../examples/toy_backend/{name}" in GUIDE} == files
    assert issubclass(ToyStore, BaseSQLSpecStore)
