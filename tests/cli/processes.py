"""The commands as a user runs them: each in a process of its own."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tests.backends import Database

__all__ = ("Finished", "Processes", "plugin_options")

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "litestar", "--app", "tests.cli.app:make_app", "stores")


def plugin_options(database: Database, **options: Any) -> dict[str, Any]:
    """The arguments of a plugin on a database."""
    return {"config_or_url": database.url, "table": database.table, **options}


NOT_FOR_PROCESSES = {"COLUMNS", "FORCE_COLOR", "PYTHONDONTWRITEBYTECODE"}


@cache
def _compiled() -> str:
    """A folder for what the processes compile, until the tests end."""
    folder = tempfile.mkdtemp(prefix="litestar-sqlstores-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


Process: TypeAlias = "subprocess.Popen[bytes]"


@dataclass(frozen=True)
class Finished:
    """What a process wrote, and how it ended."""

    exit_code: int
    out: str
    error: str

    @property
    def document(self) -> Any:
        """What it wrote as JSON."""
        assert self.exit_code in {0, 130}, self
        return json.loads(self.out)

    @property
    def failure(self) -> tuple[int, str]:
        """Exit code and text of an error, which is one line and all there is."""
        assert self.out == ""
        (line,) = self.error.splitlines()
        return self.exit_code, line.removeprefix("Error: ")


class Processes:
    """Runs commands.

    Args:
        folder: Where they run.
        plugins: The arguments of the application's plugins.
    """

    def __init__(self, folder: Path, *plugins: dict[str, Any]) -> None:
        self._folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_FOR_PROCESSES},
            # Where nothing was compiled when it was installed, each process would compile everything.
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX") or _compiled(),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "SQL_STORES": json.dumps(plugins),
        }
        self._turns = asyncio.Semaphore(os.cpu_count() or 1)

    def start(self, *arguments: str, stdin: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> Process:
        """Start a command."""
        return subprocess.Popen(
            (*COMMAND, *arguments),
            cwd=self._folder,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    async def run(self, *arguments: str, text: str = "") -> Finished:
        """Run a command to its end, with a text as its standard input."""
        async with self._turns:
            return await finish(self.start(*arguments), text)

    async def run_all(self, *commands: str) -> list[Finished]:
        """Run several at once, each written as in a shell but without quotes."""
        return list(await asyncio.gather(*(self.run(*command.split()) for command in commands)))


async def finish(process: Process, text: str = "") -> Finished:
    """Wait for the end of a process."""
    out, error = await asyncio.to_thread(process.communicate, text.encode() if process.stdin else None, timeout=120)
    return Finished(process.returncode, out.decode(), (error or b"").decode())
