"""The wheel as a user gets it: built from the source distribution, installed without this repository in sight."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a cold cache downloads what Litestar and SQLSpec need

REPOSITORY = Path(__file__).parent.parent

LOAD_EVERY_STATEMENT = """
import json
from importlib.resources import as_file, files
from sqlspec.loader import SQLFileLoader

statements = {}
with as_file(files("litestar_sqlstores") / "sql") as folder:
    for path in folder.rglob("*.sql"):
        loader = SQLFileLoader()
        loader.load_sql(path)
        name = path.relative_to(folder).as_posix()
        statements[name] = {query: loader.get_query_text(query) for query in loader.list_queries()}
print(json.dumps(statements))
"""

DESCRIBE = """
import importlib.metadata, importlib.resources, json, litestar_sqlstores
package = importlib.resources.files(litestar_sqlstores)
print(json.dumps({
    "folder": str(package),
    "typed": package.joinpath("py.typed").is_file(),
    "distribution": importlib.metadata.version("litestar-sqlstores"),
    "public": sorted(litestar_sqlstores.__all__),
}))
"""

CREATE_STORE = """
import litestar_sqlstores
try:
    litestar_sqlstores.create_store({url!r})
except litestar_sqlstores.MissingDriverError as error:
    print(error)
"""

USE_SQLITE = """
import asyncio
from litestar_sqlstores import create_store

async def main():
    async with create_store("sqlite:///sessions.db") as store:
        await store.create_table()
        await store.set("key", b"value", expires_in=60)
        print((await store.get("key")).decode())

asyncio.run(main())
"""


IMPORT_EVERYTHING = """
from litestar_sqlstores import *
print(*sorted(name for name in dir() if name.endswith("Store") and name != "BaseSQLSpecStore"))
"""


def run(*command: str | Path, cwd: Path) -> str:
    # Nothing that leads back to the environment of the tests.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "UV_PYTHON", "UV_RESOLUTION", "VIRTUAL_ENV"}
    }
    finished = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, f"{command[0]} failed:\n{finished.stdout}{finished.stderr}"
    return finished.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(find_uv_bin(), "build", "--out-dir", folder, REPOSITORY, cwd=folder)
    return next(folder.glob("*.whl"))


def install(requirement: str, folder: Path) -> Callable[[str], str]:
    run(find_uv_bin(), "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(find_uv_bin(), "pip", "install", "--python", python, requirement, cwd=folder)
    return lambda script: run(python, "-I", "-c", script, cwd=folder)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Runs a script where nothing but the wheel and what it depends on is installed."""
    return install(str(wheel), tmp_path_factory.mktemp("installed"))


def test_the_package_imports_typed(installed: Callable[[str], str]) -> None:
    described = json.loads(installed(DESCRIBE))
    assert Path(described["folder"]).parent.name == "site-packages"
    assert described["typed"]
    assert f'version = "{described["distribution"]}"' in (REPOSITORY / "pyproject.toml").read_text()
    # Only what is there, so that `import *` works; there is no driver here.
    assert {"create_store", "BaseSQLSpecStore"} <= set(described["public"])
    assert not {"AsyncpgStore", "AiosqliteStore", "SpannerStore"} & set(described["public"])


def test_every_statement_is_shipped(installed: Callable[[str], str]) -> None:
    shipped = json.loads(installed(LOAD_EVERY_STATEMENT))
    folder = REPOSITORY / "sql"
    written = {
        path.relative_to(folder).as_posix(): {
            name.replace("-", "_") for name in re.findall(r"(?m)^-- name: *(\S+)", path.read_text())
        }
        for path in folder.rglob("*.sql")
    }
    assert {"postgresql.sql", "sqlite.sql"} <= written.keys()
    assert {name: set(statements) for name, statements in shipped.items()} == written
    assert all(text.strip() for statements in shipped.values() for text in statements.values())


@pytest.mark.parametrize("url, extra", [("sqlite:///app.db", "aiosqlite"), ("postgresql://127.0.0.1/app", "asyncpg")])
def test_a_missing_driver_names_the_extra(installed: Callable[[str], str], url: str, extra: str) -> None:
    assert f"pip install 'litestar-sqlstores[{extra}]'" in installed(CREATE_STORE.format(url=url))


def test_the_extra_brings_all_that_a_backend_needs(wheel: Path, tmp_path: Path) -> None:
    run_there = install(f"{wheel}[aiosqlite]", tmp_path)
    assert run_there(USE_SQLITE) == "value"
    assert run_there(IMPORT_EVERYTHING) == "AiosqliteStore"
