from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.documents import codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], ModuleType]:
    """Run the code of a section as the module `app`, in a folder that is empty at first."""
    monkeypatch.chdir(tmp_path)

    def start_app(document: str, title: str) -> ModuleType:
        file = tmp_path / "app.py"
        file.write_text(codes()[document, title])
        spec = importlib.util.spec_from_file_location("app", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "app", module)
        spec.loader.exec_module(module)
        return module

    return start_app


@pytest.fixture
def app(start: Callable[[str, str], ModuleType], request: pytest.FixtureRequest) -> ModuleType:
    """The module that a test `shows`."""
    return start(*request.param)
