"""Create the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar_sqlstores.migrations import create_statements, drop_statements

if TYPE_CHECKING:
    from sqlspec.migrations.context import MigrationContext

__all__ = ("down", "up")


async def up(context: MigrationContext | None = None) -> list[str]:
    """What creates the table."""
    return await create_statements(context)


async def down(context: MigrationContext | None = None) -> list[str]:
    """What drops the table."""
    return await drop_statements(context)
