"""``import-sqlspec`` and ``import-redis``: take over the sessions of another store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from litestar.exceptions import SerializationException

from litestar_sqlstores.cli.group import CommandError, Target, common_options
from litestar_sqlstores.cli.output import Interruption, progress
from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.extras import needing
from litestar_sqlstores.imports import Imported, Source, import_sessions
from litestar_sqlstores.imports.sqlspec import SQLSpecTable
from litestar_sqlstores.registry import middleware_configs, refuse_kept_keys, registered_store
from litestar_sqlstores.sessions import SQLSessionBackend, SQLSessionConfig
from litestar_sqlstores.settings import DEFAULT_TABLE

if TYPE_CHECKING:
    from litestar import Litestar

    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("add_commands",)

SESSIONS = "sessions"

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def add_commands(group: click.Group) -> None:
    """Add the commands to their group."""
    group.add_command(import_sqlspec)
    group.add_command(import_redis)


def import_options(command: CommandT) -> CommandT:
    """Add the options that every import has."""
    for option in (
        click.option(
            "--delete",
            is_flag=True,
            help="Remove sessions from the old store once they are here, so that none that ends later comes back with"
            " another import.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            default=500,
            show_default=True,
            help="Sessions that a statement takes.",
        ),
    ):
        command = option(command)
    return common_options(command)


@click.command("import-sqlspec")
@click.option(
    "--from-table", default=DEFAULT_TABLE, show_default=True, metavar="TABLE", help="The table of SQLSpec's store."
)
@import_options
def import_sqlspec(
    app: Litestar, name: str | None, as_json: bool, *, from_table: str, batch_size: int, delete: bool
) -> None:
    """Take over the live sessions of SQLSpec's own store, so that nobody is logged out by switching.

    They go into the store `sessions`, or the one that --store names. What is there already is newer, and stays; so this
    may be run again. Ctrl-C stops it after the batch in hand.
    """
    command = Import(Target(app, name, as_json), name or SESSIONS, "import-sqlspec", batch_size, delete)
    command.run(
        lambda store: nullcontext(SQLSpecTable(store, from_table)),
        {"from_table": from_table},
        f"table {from_table!r}",
    )


@click.command("import-redis")
@click.option(
    "--from-url",
    envvar="REDIS_URL",
    required=True,
    metavar="URL",
    help="The URL of the Redis or Valkey; better in REDIS_URL than here, if it has a password.",
)
@click.option(
    "--from-namespace",
    default="LITESTAR",
    show_default=True,
    metavar="NAMESPACE",
    help="The namespace of the RedisStore: LITESTAR_sessions, if with_namespace made it for the name.",
)
@import_options
def import_redis(
    app: Litestar,
    name: str | None,
    as_json: bool,
    *,
    from_url: str,
    from_namespace: str,
    batch_size: int,
    delete: bool,
) -> None:
    """Take over the live sessions of Litestar's RedisStore, so that nobody is logged out by switching.

    They go into the store `sessions`, or the one that --store names. What is there already is newer, and stays; so this
    may be run again. Ctrl-C stops it after the batch in hand.
    """
    command = Import(Target(app, name, as_json), name or SESSIONS, "import-redis", batch_size, delete)
    with needing("redis", "litestar-sqlstores[redis]", "import-redis"):
        from litestar_sqlstores.imports.redis import RedisNamespace  # noqa: PLC0415 - only where it is installed
    command.run(
        lambda _: aclosing(RedisNamespace(from_url, from_namespace)),
        {"from_namespace": from_namespace},
        f"namespace {from_namespace!r}",
        hint="; if there are some, --from-namespace says where, such as LITESTAR_sessions",
    )


@dataclass
class Import:
    """An import, and what it tells."""

    target: Target
    name: str
    command: str
    batch_size: int
    delete: bool

    def run(
        self,
        opened: Callable[[BaseSQLSpecStore[Any]], AbstractAsyncContextManager[Source]],
        origin: dict[str, str],
        place: str,
        hint: str = "",
    ) -> None:
        """Import, until it is done or somebody stops it.

        Args:
            opened: From the store that takes the sessions over to where they come from.
            origin: Where that is, for machines.
            place: The same, for people.
            hint: What to add if no session is found there.
        """
        store = registered_store(self.target.app, self.name, self.command)
        refuse_kept_keys(store)

        async def take_over() -> tuple[Imported, bool]:
            await store.check_table()
            async with opened(store) as source:
                return await self._take_over(store, source, interruption)

        with Interruption() as interruption:
            imported, complete = self.target.run(take_over)
        there = imported.found - imported.added - imported.refused
        text = f"imported {imported.added:,} sessions from {place}; {there:,} were here already"
        if imported.refused:
            text += f"; {imported.refused:,} cannot be stored here (value or owner too long, or no JSON) and stay there"
        if complete and not imported.found:
            text += hint
        document = {
            **origin,
            "imported": imported.added,
            "already_here": there,
            "refused": imported.refused,
            "complete": complete,
        }
        self.target.report(document, text if complete else f"stopped: {text}; run it again for the rest")
        if not complete:
            sys.exit(interruption.exit_code)

    async def _take_over(
        self, store: BaseSQLSpecStore[Any], source: Source, interruption: Interruption
    ) -> tuple[Imported, bool]:
        """How far it came, and whether that is all."""
        imported = Imported(0, 0)
        owner_of = _owner_of(self.target.app, self.name)
        with progress("importing sessions") as bar:
            try:
                async for imported in import_sessions(
                    store, source, owner_of=owner_of, batch_size=self.batch_size, delete=self.delete
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


def _owner_of(app: Litestar, name: str) -> Callable[[bytes], str | None]:
    """From the data of a session to its owner, as the application's SQLSessionConfig has it."""
    for config in middleware_configs(app):
        if isinstance(config, SQLSessionConfig) and config.store == name:
            return partial(_owner, SQLSessionBackend(config))
    return lambda _: None


def _owner(backend: SQLSessionBackend, data: bytes) -> str | None:
    try:
        return backend.config.owner_of(backend.deserialize_data(data))
    except SerializationException:
        # Whatever it is, it was there, and is nobody's.
        return None
