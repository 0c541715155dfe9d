"""docs/migrations.md, run as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from litestar.testing import TestClient

from litestar_sqlstores import MissingTableError
from tests.docs.documents import ROOT, shows

if TYPE_CHECKING:
    from types import ModuleType

DOCUMENT = "docs/migrations.md"


@shows(DOCUMENT, "With the plugin")
def test_the_command_creates_what_the_application_checks(app: ModuleType) -> None:
    with pytest.raises(ExceptionGroup) as error, TestClient(app.app):
        pass
    assert isinstance(error.value.exceptions[0], MissingTableError)
    [command] = re.findall(r"```console\n(litestar .*)\n```", (ROOT / DOCUMENT).read_text())
    program, *arguments = shlex.split(command)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "ext_litestar_sqlstores_0001" in done.stdout
    with TestClient(app.app):
        pass


@shows(DOCUMENT, "Without the plugin")
async def test_the_config_names_the_folder(app: ModuleType) -> None:
    await app.config.migrate_up(use_logger=True)
    assert await app.store.schema_difference() == []
    await app.config.migrate_down(revision="base", use_logger=True)
    with pytest.raises(MissingTableError):
        await app.store.check_table()
    await app.store.aclose()
    await app.config.close_pool()
