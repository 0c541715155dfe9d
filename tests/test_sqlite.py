"""What only SQLite has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import UnavailableError, create_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("rest", ["no_folder/app.db", ""], ids=["in no folder", "a folder"])
async def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path, rest: str) -> None:
    async with create_store(f"sqlite:///{tmp_path / rest}", timeout=30) as store:
        with pytest.raises(UnavailableError, match="cannot be reached") as caught:
            await store.create_table()
    assert "unable to open database file" in str(caught.value.__cause__)
