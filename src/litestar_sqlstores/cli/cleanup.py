"""``cleanup``: remove what has expired."""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import TYPE_CHECKING

import rich_click as click

from litestar_sqlstores.cli.group import CommandError, Target, common_options
from litestar_sqlstores.cli.output import Interruption, progress
from litestar_sqlstores.errors import StoreError

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ("add_commands",)

COUNT_SECONDS = 5.0
"""How long to count what there is to remove, for the progress bar alone."""


def add_commands(group: click.Group) -> None:
    """Add the command to its group."""
    group.add_command(cleanup_command)


@click.command("cleanup")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=1000, show_default=True, help="Rows that a statement removes."
)
@click.option("--max-batches", type=click.IntRange(min=1), help="Statements to run at most.")
@common_options
def cleanup_command(
    app: Litestar, name: str | None, as_json: bool, *, batch_size: int, max_batches: int | None
) -> None:
    """Remove expired entries, a batch at a time.

    Any number of these may run at once, beside the application: they pass over each other's rows. Ctrl-C stops it after
    the batch in hand.
    """
    target = Target(app, name, as_json)
    with Interruption() as interruption:
        removed, complete = target.run(lambda: _clean(target, interruption, batch_size, max_batches))
    text = f"removed {removed:,} expired entries from table {target.table!r}"
    if interruption.signal:
        text = f"stopped: {text}; run it again for the rest"
    elif not complete:
        text = f"{text}, as --max-batches allowed; there may be more"
    target.report({"table": target.table, "removed": removed, "complete": complete}, text)
    if interruption.signal:
        sys.exit(interruption.exit_code)


async def _clean(
    target: Target, interruption: Interruption, batch_size: int, max_batches: int | None
) -> tuple[int, bool]:
    """How many entries were removed, and whether that is all."""
    removed = 0
    with progress("removing expired entries", await _expired(target)) as bar:
        for _ in itertools.count() if max_batches is None else range(max_batches):
            if interruption.signal:
                break
            try:
                batch = await target.store.delete_expired(batch_size, max_batches=1)
            except StoreError as error:
                if not removed:
                    raise
                msg = f"{error}; {removed:,} expired entries were removed before"
                raise CommandError(msg) from error
            removed += batch
            bar.at(removed)
            if batch < batch_size:
                return removed, True
    return removed, False


async def _expired(target: Target) -> int | None:
    """How many entries have expired, if somebody looks and it does not take long."""
    if not sys.stderr.isatty():
        return None
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            return sum(each.expired for each in await target.store.stats())
    except TimeoutError:
        return None
