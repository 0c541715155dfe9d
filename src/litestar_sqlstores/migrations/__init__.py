"""Migrations of SQLSpec, for those who want their tables from ``litestar db upgrade``.

SQLSpec runs the files beside this one as the extension ``litestar_sqlstores``, once a config names the folder:
:func:`register_migrations` does so. The statements are those of ``sql/<dialect>.sql``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from litestar_sqlstores.errors import ConfigurationError, MissingTableError
from litestar_sqlstores.factory import create_store
from litestar_sqlstores.settings import EXTENSION, SQLSPEC_EXTENSION, Settings
from litestar_sqlstores.store import BaseSQLSpecStore

if TYPE_CHECKING:
    from sqlspec.migrations.context import MigrationContext

__all__ = ("create_statements", "drop_statements", "register_migrations")

MIGRATIONS = f"{EXTENSION}:migrations"
_SHAPING = ("table", "data_format", "in_memory", "shard_count")
"""The settings that decide what table there is."""


def register_migrations(config: Any, settings: Settings | None = None) -> None:
    """Have ``litestar db upgrade`` and SQLSpec's other commands create and upgrade the table of a config.

    SQLSpec has a migration of its own for a table of the name ``session_table``. Where that is the store's table, it is
    left out.

    Args:
        config: The SQLSpec config.
        settings: The settings of the store, if they are not all in the config's ``extension_config``.

    Raises:
        ConfigurationError: It is no config of SQLSpec, or one that no store can use.
    """
    if not hasattr(config, "add_extension_migrations"):
        msg = f"migrations want a config of SQLSpec, not {type(config).__name__}; a URL has none"
        raise ConfigurationError(msg)
    if settings is None:
        settings = create_store(config).settings
    shape = {name: value for name in _SHAPING if (value := getattr(settings, name)) != getattr(Settings, name)}
    config.add_extension_migrations(EXTENSION, MIGRATIONS, shape)
    if _table_of_sqlspec(config) == settings.table:
        given = config.migration_config
        config.set_migration_config(
            {
                **given,
                "exclude_extensions": [*dict.fromkeys([*given.get("exclude_extensions", ()), SQLSPEC_EXTENSION])],
                "include_extensions": [
                    name for name in given.get("include_extensions", ()) if name != SQLSPEC_EXTENSION
                ],
            }
        )


async def create_statements(context: MigrationContext | None) -> list[str]:
    """What creates the table of a migration's config; nothing if it is there and as it should be.

    Raises:
        ConfigurationError: The migration has no config.
        SchemaError: There is a table of that name with another shape or data format, or of another version.
    """
    async with _store(context) as store:
        try:
            await store.check_table()
        except MissingTableError:
            return store.statements("create_table")
        return []


async def drop_statements(context: MigrationContext | None) -> list[str]:
    """What drops the table of a migration's config.

    Raises:
        ConfigurationError: The migration has no config.
    """
    return _store(context).statements("drop_table")


def _store(context: MigrationContext | None) -> BaseSQLSpecStore[Any]:
    if context is None or context.config is None:
        msg = "the migration has no config of SQLSpec; run it by `litestar db upgrade` or `sqlspec upgrade`"
        raise ConfigurationError(msg)
    return create_store(context.config)


def _table_of_sqlspec(config: Any) -> str | None:
    """The table that SQLSpec's own migration would make."""
    shared = (config.extension_config or {}).get(SQLSPEC_EXTENSION)
    name = shared.get("session_table") if isinstance(shared, Mapping) else None
    # As SQLSpec takes it; its migration runs as soon as there is a value at all.
    return Settings.table if name is True or (name is not None and not name) else name
