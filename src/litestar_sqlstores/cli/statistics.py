"""``stats``: how much of what is in the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.console import Group
from rich.table import Table

from litestar_sqlstores.cli.group import Target, common_options
from litestar_sqlstores.cli.output import bytes_text, shown
from litestar_sqlstores.store.overview import TIMES_TO_EXPIRY, NamespaceStats

if TYPE_CHECKING:
    from litestar import Litestar
    from rich.console import RenderableType

__all__ = ("add_commands",)

BAR_WIDTH = 40


def add_commands(group: click.Group) -> None:
    """Add the command to its group."""
    group.add_command(stats_command)


@click.command("stats")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600,
    show_default=True,
    help="Seconds that reading the whole table may take.",
)
@common_options
def stats_command(app: Litestar, name: str | None, as_json: bool, *, timeout: float) -> None:
    """Show how many entries there are, live and expired, their bytes, and when they expire."""
    target = Target(app, name, as_json)

    async def read() -> list[NamespaceStats]:
        # Whoever waits ten minutes for a server that is not there does so no second time.
        await target.store.check_table()
        store = target.patient_store(timeout)
        try:
            return await store.stats()
        finally:
            await store.aclose()

    stats = target.run(read)
    target.report(as_document(target.table, stats), as_text(target.table, stats))


def as_document(table: str, stats: Sequence[NamespaceStats]) -> Mapping[str, Any]:
    """What there is, for machines."""
    return {
        "table": table,
        **_sums(stats),
        "expiring": expiring(stats),
        "namespaces": [
            {"namespace": shown(each.namespace), **_sums([each]), "expiring": expiring([each])} for each in stats
        ],
    }


def as_text(table: str, stats: Sequence[NamespaceStats]) -> RenderableType:
    """What there is, for people."""
    if not stats:
        return f"table {table!r} is empty"
    namespaces = Table("namespace", title=f"table {table!r}", title_justify="left")
    for column in ("live", "expired", "data"):
        namespaces.add_column(column, justify="right")
    for each in stats:
        namespaces.add_row(shown(each.namespace), f"{each.live:,}", f"{each.expired:,}", bytes_text(each.size))
    sums = _sums(stats)
    if len(stats) > 1:
        namespaces.add_section()
        namespaces.add_row("all", f"{sums['live']:,}", f"{sums['expired']:,}", bytes_text(sums["bytes"]))
    histogram = Table("live for", "entries", "", title="time to expiry", title_justify="left")
    histogram.columns[1].justify = "right"
    counts = expiring(stats)
    longest = max(counts.values()) or 1
    for name, count in counts.items():
        histogram.add_row(name, f"{count:,}", "█" * -(-BAR_WIDTH * count // longest))
    return Group(namespaces, histogram)


def expiring(stats: Sequence[NamespaceStats]) -> dict[str, int]:
    """How many live entries there are in each bin of time to expiry, all of them together."""
    counts = Counter[str]()
    for each in stats:
        counts.update(each.expiring)
    return {name: counts[name] for name in (*TIMES_TO_EXPIRY, "never")}


def _sums(stats: Sequence[NamespaceStats]) -> dict[str, int]:
    return {
        "live": sum(each.live for each in stats),
        "expired": sum(each.expired for each in stats),
        "bytes": sum(each.size for each in stats),
    }
