from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _cheap_collections() -> Iterator[None]:
    """Tests collect garbage to find what nobody has looked at; what the imports made need not be searched each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
