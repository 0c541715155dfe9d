"""``init``, ``check`` and ``ddl``: the table itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from litestar_sqlstores import ddl
from litestar_sqlstores.cli.group import CommandError, Target, common_options
from litestar_sqlstores.errors import ConfigurationError, MissingTableError

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ("add_commands",)


def add_commands(group: click.Group) -> None:
    """Add the commands to their group."""
    for command in (init_command, check_command, ddl_command):
        group.add_command(command)


@click.command("init")
@common_options
def init_command(app: Litestar, name: str | None, as_json: bool) -> None:
    """Create the table, unless it is there."""
    target = Target(app, name, as_json)

    async def create() -> bool:
        try:
            await target.store.check_table()
        except MissingTableError:
            await target.store.create_table()
            return True
        return False

    created = target.run(create)
    text = f"table {target.table!r} {'was created' if created else 'is there already'}"
    target.report({"table": target.table, "created": created}, text)


@click.command("check")
@common_options
def check_command(app: Litestar, name: str | None, as_json: bool) -> None:
    """See whether the table is there and is what the store expects."""
    target = Target(app, name, as_json)
    found = target.run(target.store.schema_difference)
    text = f"table {target.table!r} is what the store expects"
    if found:
        text = "\n  ".join((f"table {target.table!r} is not what the store expects:", *found))
    target.report({"table": target.table, "ok": not found, "differences": found}, text)
    if found:
        sys.exit(1)


@click.command("ddl")
@click.option(
    "--dialect", type=click.Choice(sorted(ddl.DIALECTS)), help="The database; by default the one of the application."
)
@click.option("--native-ttl", is_flag=True, help="Add what has the database itself remove expired rows.")
@common_options
def ddl_command(app: Litestar, name: str | None, as_json: bool, *, dialect: str | None, native_ttl: bool) -> None:
    """Print the statements that create the table. Touches no database, and needs none of its drivers."""
    target = Target(app, name, as_json)
    dialect = dialect or target.store.backend.dialect
    settings = target.store.settings
    if dialect in ddl.DIALECTS:
        statements = ddl.create_table(dialect, settings)
    else:  # that of a backend which is the application's own
        statements = ddl.split(target.store._backend.sql["create_table"])
    if native_ttl:
        if dialect not in ddl.DIALECTS:
            msg = f"nobody here knows what has {dialect} remove expired rows; leave it to `litestar stores cleanup`"
            raise CommandError(msg, 2)
        try:
            statements.append(ddl.native_ttl(dialect, settings))
        except ConfigurationError as error:
            raise CommandError(str(error), 2) from error
    document = {"dialect": dialect, "table": target.table, "statements": statements}
    target.report(document, "\n\n".join(each if each.endswith("/") else f"{each};" for each in statements))
