"""That the histories find what they are there to find: each known fault, put back on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsers.faults import FAULTS, SeamGone, put_back
from tests.browsers.grounds import Grounds
from tests.browsers.play import play
from tests.browsers.servers import SETUPS
from tests.browsers.violations import Violation

if TYPE_CHECKING:
    from pathlib import Path

HISTORIES = 300
"""Within how many of them each fault is found; most within 20."""
RARE = frozenset(
    {
        "a late request begins a session",
        "adds to the header list of others",
        "cookies on public pages",
        "log-out everywhere leaves sessions",
        "the cache ignores Vary",
        "websockets store nothing late",
    }
)
"""Those that take more than a test has time for: ``python -m tests.browsers --fault NAME`` looks for them."""


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in RARE])
def test_finds(fault: str, tmp_path: Path) -> None:
    with Grounds(f"sqlite:///{tmp_path / 'store.db'}", fault) as grounds:
        with pytest.raises(Violation) as found:
            play(grounds, HISTORIES, setups=SETUPS[:1], derandomize=True, shrink=False)
        assert found.value.kind in FAULTS[fault].found_as


def test_a_fault_of_what_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, "gone", FAULTS["no Vary: Cookie"].__class__(frozenset(), (("json:nothing", str),)))
    with pytest.raises(SeamGone, match="replaces json:nothing"):
        put_back("gone")
