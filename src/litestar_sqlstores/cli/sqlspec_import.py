"""``import-sqlspec``: take over the sessions of SQLSpec's own store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import rich_click as click

from litestar_sqlstores.cli.group import CommandError, Target, common_options
from litestar_sqlstores.cli.output import Interruption, progress
from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.registry import middleware_configs, refuse_kept_keys, registered_store
from litestar_sqlstores.sessions import SQLSessionBackend, SQLSessionConfig
from litestar_sqlstores.settings import DEFAULT_TABLE
from litestar_sqlstores.sqlspec_import import Imported, import_sessions

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ("add_commands",)

SESSIONS = "sessions"


def add_commands(group: click.Group) -> None:
    """Add the command to its group."""
    group.add_command(import_command)


@click.command("import-sqlspec")
@click.option(
    "--from-table", default=DEFAULT_TABLE, show_default=True, metavar="TABLE", help="The table of SQLSpec's store."
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=500, show_default=True, help="Sessions that a statement takes."
)
@click.option(
    "--delete",
    is_flag=True,
    help="Remove sessions from the old table once they are here, so that none that ends later comes back with another"
    " import.",
)
@common_options
def import_command(
    app: Litestar, name: str | None, as_json: bool, *, from_table: str, batch_size: int, delete: bool
) -> None:
    """Take over the live sessions of SQLSpec's own store, so that nobody is logged out by switching.

    They go into the store `sessions`, or the one that --store names. What is there already is newer, and stays; so this
    may be run again. Ctrl-C stops it after the batch in hand.
    """
    target = Target(app, name, as_json)
    store = registered_store(app, name or SESSIONS, "import-sqlspec")

    refuse_kept_keys(store)

    async def take_over() -> tuple[Imported, bool]:
        await store.check_table()
        imported = Imported(0, 0)
        with progress("importing sessions") as bar:
            try:
                async for imported in import_sessions(
                    store, from_table, owner_of=_owner_of(app, name or SESSIONS), batch_size=batch_size, delete=delete
                ):
                    bar.at(imported.found)
                    if interruption.signal:
                        return imported, False
            except StoreError as error:
                if not imported.added:
                    raise
                msg = f"{error}; {imported.added:,} sessions were imported before"
                raise CommandError(msg) from error
        return imported, True

    with Interruption() as interruption:
        imported, complete = target.run(take_over)
    there = imported.found - imported.added
    text = f"imported {imported.added:,} sessions from table {from_table!r}; {there:,} were here already"
    document = {"from_table": from_table, "imported": imported.added, "already_here": there, "complete": complete}
    target.report(document, text if complete else f"stopped: {text}; run it again for the rest")
    if not complete:
        sys.exit(interruption.exit_code)


def _owner_of(app: Litestar, name: str) -> Callable[[bytes], str | None]:
    """From the data of a session to its owner, as the application's SQLSessionConfig has it."""
    for config in middleware_configs(app):
        if isinstance(config, SQLSessionConfig) and config.store == name:
            backend = SQLSessionBackend(config)
            return lambda data: config.owner_of(backend.deserialize_data(data))
    return lambda _: None
