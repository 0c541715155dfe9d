"""Pictures of a run: throughput beside the peers, latency against the number of callers, requests over HTTP."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from benchmarks.http.report import HttpReport
from benchmarks.report import Report, scenarios
from benchmarks.runner import Measurement

__all__ = ("draw",)

_OURS, _OTHERS, _DRIVER = "#1f6feb", "#9aa4b2", "#d9b44a"
_LINES = {"ours": _OURS, "sqlspec": "#d1495b", "plain": "#8d6a9f", "redis": "#2e8b57", "memory": "#444444"}
_BARS = ("get", "get+renew", "get+renew due", "set")
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "benchmarks",
}


def draw(path: Path, folder: Path) -> list[Path]:
    """Draw what is in a file that ``--json`` wrote.

    Args:
        path: The file, of ``run`` or ``http``.
        folder: Where the SVG files go.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes()
    with mpl.rc_context(_STYLE):
        try:
            report = Report.from_json(data)
        except msgspec.ValidationError:
            return [_save(_http(HttpReport.from_json(data)), folder / "http.svg")]
        return [*_throughputs(report, folder), *_latencies(report, folder)]


def _throughputs(report: Report, folder: Path) -> list[Path]:
    drawn = []
    for (backend, table, concurrency), measured in scenarios(report.measurements):
        shown = [m for m in measured if m.rates and m.operation in _BARS and m.kind != "best batch"]
        operations = [name for name in _BARS if any(m.operation == name for m in shown)]
        if concurrency == 1 or not operations:
            continue
        height = 0.8 + 0.24 * len({m.peer for m in shown})
        figure = Figure(figsize=(10, height * -(-len(operations) // 2)), layout="constrained")
        axes = figure.subplots(-(-len(operations) // 2), 2, squeeze=False).flat
        for each in list(axes)[len(operations) :]:
            each.set_visible(False)
        for operation, each in zip(operations, figure.axes, strict=False):
            _bars(each, operation, [m for m in shown if m.operation == operation])
        processes = f", {table.processes} processes" if table.processes > 1 else ""
        figure.suptitle(
            f"{concurrency} concurrent callers{processes}, {table.rows:,} sessions of {table.value_size:,} bytes: "
            "operations a second, with the spread of the rounds"
        )
        name = f"throughput-{backend}-{concurrency}x{table.processes}-{table.value_size}-{table.rows}.svg"
        drawn.append(_save(figure, folder / name))
    return drawn


def _bars(axes: Axes, title: str, measured: Sequence[Measurement]) -> None:
    ordered = sorted(measured, key=lambda m: m.rate)
    rates = [m.rate for m in ordered]
    colours = [_OURS if m.kind == "ours" else _DRIVER if "driver" in m.peer else _OTHERS for m in ordered]
    _labelled(axes, [m.peer for m in ordered], rates, [m.rates for m in ordered], colours)
    axes.set_title(title, loc="left", fontweight="bold")


def _labelled(
    axes: Axes, names: list[str], rates: list[float], spreads: Sequence[Sequence[float]], colours: list[str]
) -> None:
    low = [rate - min(each) for rate, each in zip(rates, spreads, strict=True)]
    high = [max(each) - rate for rate, each in zip(rates, spreads, strict=True)]
    style: dict[str, Any] = {"ecolor": "#555555", "elinewidth": 0.8, "capsize": 2}
    axes.barh(names, rates, color=colours, xerr=[low, high], error_kw=style, height=0.72)
    for place, (rate, spread) in enumerate(zip(rates, spreads, strict=True)):
        axes.annotate(
            f"{rate:,.0f}", (max(spread), place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.margins(x=0.16)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.tick_params(axis="y", length=0)


def _latencies(report: Report, folder: Path) -> list[Path]:
    measured = [
        m for m in report.measurements if m.rates and m.kind in _LINES and m.table == report.measurements[0].table
    ]
    callers = sorted({m.concurrency for m in measured})
    drawn = []
    for backend in dict.fromkeys(m.backend for m in measured if m.backend) if len(callers) > 2 else ():
        shown = [m for m in measured if m.backend in {backend, None}]
        operations = [name for name in _BARS if any(m.operation == name for m in shown)]
        figure = Figure(figsize=(10, 2.4 * len(operations)), layout="constrained")
        grid = figure.subplots(len(operations), 2, squeeze=False, sharex=True, sharey="row")
        for row, operation in zip(grid, operations, strict=True):
            for axes, percentile in zip(row, ("p50", "p99"), strict=True):
                for peer in dict.fromkeys(m.peer for m in shown):
                    line = [m for m in shown if (m.peer, m.operation) == (peer, operation)]
                    _curve(axes, line, percentile)
                axes.set_title(f"{operation}, {percentile}", loc="left", fontweight="bold")
                axes.set(xscale="log", yscale="log", xticks=callers, xticklabels=[str(each) for each in callers])
                axes.minorticks_off()
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.grid(axis="y", alpha=0.3)
            row[0].set_ylabel("milliseconds")
        for axes in grid[-1]:
            axes.set_xlabel("concurrent callers")
        figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
        drawn.append(_save(figure, folder / f"latency-{backend}.svg"))
    return drawn


def _curve(axes: Axes, line: Sequence[Measurement], percentile: str) -> None:
    if line:
        ours = line[0].kind == "ours"
        milliseconds = [median(getattr(latency, percentile) for latency in m.latencies) / 1000 for m in line]
        axes.plot(
            [m.concurrency for m in line],
            milliseconds,
            marker="o",
            markersize=4,
            linewidth=2.4 if ours else 1.3,
            color=_LINES[line[0].kind],
            label=line[0].peer,
        )


def _http(report: HttpReport) -> Figure:
    measured = sorted(report.measurements, key=lambda m: m.rate)
    figure = Figure(figsize=(9, 0.8 + 0.32 * len(measured)), layout="constrained")
    axes = figure.subplots()
    colours = [_OURS if "ours" in m.variant else _DRIVER if m.variant == "no session" else _OTHERS for m in measured]
    _labelled(axes, [m.variant for m in measured], [m.rate for m in measured], [m.rates for m in measured], colours)
    axes.set_title(f"Requests a second, {report.settings.connections} connections", loc="left", fontweight="bold")
    return figure


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
    return path
