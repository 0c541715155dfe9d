"""A few random histories of browsers, the same in each run. ``python -m tests.browsers`` plays as many as wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsers.grounds import Grounds
from tests.browsers.play import play
from tests.browsers.tables import can_open

if TYPE_CHECKING:
    from tests.backends import Database

HISTORIES = 6
THOROUGH_HISTORIES = 25


@pytest.mark.formats("bytes")
@pytest.mark.needs("processes", "workers")
@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.timeout(600)
def test_nobody_gets_what_is_anothers(database: Database, data_format: str, pytestconfig: pytest.Config) -> None:
    histories = THOROUGH_HISTORIES if pytestconfig.option.thorough else HISTORIES
    if not can_open(database.url):
        pytest.skip("nobody looks into this database past the store")
    with Grounds(database.url) as grounds:
        play(grounds, histories, derandomize=True)
        assert grounds.histories >= histories
