"""The group of the commands, and what they have in common."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import rich_click as click
from litestar.cli._utils import LitestarGroup

from litestar_sqlstores.cli.output import print_text
from litestar_sqlstores.errors import MissingTableError, StoreError
from litestar_sqlstores.settings import CommonOptions

if TYPE_CHECKING:
    from litestar import Litestar
    from rich.console import RenderableType

    from litestar_sqlstores.plugin import SQLStoresPlugin
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("CommandError", "Target", "common_options", "stores_group")

CLOSE_SECONDS = 1.0
"""How long to wait for connections to close after an error."""

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class CommandError(Exception):
    """A command cannot go on.

    Args:
        message: Why, and what to do.
        exit_code: 1 for what went wrong, 2 for what cannot be asked for.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StoresGroup(LitestarGroup):
    """Tells errors in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except MissingTableError as error:
            _fail(ctx, f"{str(error).partition(';')[0]}; create it with `litestar stores init`")
        except (StoreError, CommandError) as error:
            _fail(ctx, str(error), getattr(error, "exit_code", 1))


def _fail(ctx: click.Context, message: str, exit_code: int = 1) -> NoReturn:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    ctx.exit(exit_code)


@click.group(cls=StoresGroup, name="stores")
def stores_group() -> None:
    """Look after the table of the stores: create, check, clean and clear it."""


def common_options(command: CommandT) -> CommandT:
    """Add the options that every command has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--store",
            "name",
            metavar="NAME",
            help="A store of the plugin to work on, if the application has several: a name in the registry, or that of"
            " the dependency.",
        ),
    ):
        command = option(command)
    return command


@dataclass
class Target:
    """What a command works on, and how it tells what it did.

    Args:
        app: The application.
        name: A name of the plugin; None if there is one only.
        as_json: Whether to print JSON.
    """

    app: Litestar
    name: str | None
    as_json: bool

    def __post_init__(self) -> None:
        """Find the plugin.

        Raises:
            CommandError: There are several, or none has that name.
        """
        self.plugin = _choose(self.app, self.name)
        self.store: BaseSQLSpecStore[Any] = self.plugin.store

    @property
    def table(self) -> str:
        """The name of the table."""
        return self.store.settings.table

    def run(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Run what uses the database, and close all connections after it."""

        async def run() -> ResultT:
            await self.store.__aenter__()
            try:
                result = await work()
            except BaseException:
                # What does not answer would not let itself be closed, either.
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self._close()
                raise
            await self._close()
            return result

        return asyncio.run(run())

    async def _close(self) -> None:
        await self.store.__aexit__(None, None, None)
        # The process is the command's alone, and so is every pool in it.
        await cast("Any", self.store.config).close_pool()

    def patient_store(self, timeout: float) -> BaseSQLSpecStore[Any]:
        """The store with another timeout: of a request's, no command that reads the whole table would make do."""
        store = self.store
        names = (*CommonOptions.__annotations__, *store.backend.options)
        options: dict[str, Any] = {name: getattr(store.settings, name) for name in names}
        options["timeout"] = timeout
        return type(store)(store.config, **options)

    def report(self, document: Mapping[str, Any], text: RenderableType) -> None:
        """Tell what a command found or did.

        Args:
            document: For machines.
            text: For people.
        """
        if self.as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            print_text(text)


def _choose(app: Litestar, name: str | None) -> SQLStoresPlugin:
    from litestar_sqlstores.plugin import SQLStoresPlugin  # noqa: PLC0415 - which imports this

    plugins = [plugin for plugin in app.plugins.cli if isinstance(plugin, SQLStoresPlugin)]
    if name is None and len(plugins) == 1:
        return plugins[0]
    for plugin in plugins:
        if name in plugin.names:
            return plugin
    known = "; ".join(f"{' or '.join(plugin.names)} (table {plugin.store.settings.table!r})" for plugin in plugins)
    what = (
        "the application has several SQLStoresPlugins" if name is None else f"no SQLStoresPlugin has the name {name!r}"
    )
    msg = f"{what}; choose one with --store: {known}"
    raise CommandError(msg, 2)
