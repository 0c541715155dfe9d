from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies

from tests.unit.fake_database import FakeDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _cheap_collections() -> Iterator[None]:
    """Tests collect garbage to find what nobody has looked at; what the imports made need not be searched each time."""
    _use_hypothesis()
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@given(strategies.none())
def _use_hypothesis(_: None) -> None:
    """Its first use looks for who refers to an object of its own, and warns if those are frozen."""


@pytest.fixture
def database() -> FakeDatabase:
    """A fake one, which is at rest at the end of the test: what runs async tests, in tests.unit.loops, sees to that."""
    return FakeDatabase()
