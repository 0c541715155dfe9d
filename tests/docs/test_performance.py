"""docs/performance.md, run as printed."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from litestar.testing import TestClient

from tests.docs.documents import shows

if TYPE_CHECKING:
    from types import ModuleType


@shows("docs/performance.md", "The garbage collector")
def test_the_collector_passes_over_what_is_there_once_the_application_has_started(app: ModuleType) -> None:
    before = gc.get_freeze_count()
    try:
        with TestClient(app.app):
            assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
