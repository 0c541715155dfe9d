from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores.coalescing.coalescer import Coalescer
from tests.wiring.helpers import new_plugin

if TYPE_CHECKING:
    from litestar_sqlstores import SQLStoresPlugin
    from tests.backends import Database


@pytest.fixture
def plugin(database: Database, data_format: str) -> SQLStoresPlugin:
    return new_plugin(database, data_format)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that any store is asked for, in order."""
    names: list[str] = []
    submit = Coalescer.submit

    def spy(self: Coalescer[Any], operation: Any, *arguments: Any) -> Any:
        names.append(operation.name)
        return submit(self, operation, *arguments)

    monkeypatch.setattr(Coalescer, "submit", spy)
    return names
