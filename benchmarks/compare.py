"""What differs between two runs, and whether it is more than the spread of their rounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.http.report import HttpReport
from benchmarks.report import Report

__all__ = ("Comparison", "NotComparableError", "compare")


class NotComparableError(Exception):
    """Two files cannot be compared."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of both runs."""

    name: str
    before: list[float]
    after: list[float]

    @property
    def change(self) -> float:
        """The second median by the first."""
        return median(self.after) / median(self.before)

    @property
    def verdict(self) -> str:
        """Faster or slower, if no round of one run reaches into the rounds of the other."""
        if len(self.before) < 2 or len(self.after) < 2:
            return "one round says nothing"
        if min(self.after) > max(self.before):
            return "faster"
        return "slower" if max(self.after) < min(self.before) else "within the spread"


def compare(before: Path, after: Path) -> str:
    """The differences between two files that ``--json`` wrote, as Markdown.

    Raises:
        NotComparableError: A file holds no rounds, or the two have nothing in common.
    """
    first, second = _rates(before), _rates(after)
    found = [Comparison(name, rates, second[name]) for name, rates in first.items() if name in second]
    if not found:
        msg = f"{before} and {after} have no measurement in common"
        raise NotComparableError(msg)
    return "\n".join(_lines(found, before, after))


def _rates(path: Path) -> dict[str, list[float]]:
    data = path.read_bytes()
    try:
        report = Report.from_json(data)
    except msgspec.ValidationError:
        try:
            return {m.variant: m.rates for m in HttpReport.from_json(data).measurements}
        except msgspec.ValidationError as error:
            msg = f"{path} is no result of `run` or `http`"
            raise NotComparableError(msg) from error
    return {
        f"{m.peer}, {m.operation}, {m.concurrency} callers, {m.table.value_size} bytes, {m.table.rows} rows, "
        f"{m.table.processes} processes": m.rates
        for m in report.measurements
        if m.rates
    }


def _lines(found: list[Comparison], before: Path, after: Path) -> Iterator[str]:
    yield f"Operations (or requests) a second, {before.name} and {after.name}: median (lowest to highest)."
    yield ""
    yield "| | before | after | change | verdict |"
    yield "|---|---:|---:|---:|---|"
    for each in found:
        change = f"{100 * (each.change - 1):+.0f} %"
        yield f"| {each.name} | {_spread(each.before)} | {_spread(each.after)} | {change} | {each.verdict} |"
    verdicts = [each.verdict for each in found]
    yield ""
    yield f"{verdicts.count('faster')} faster, {verdicts.count('slower')} slower, of {len(found)}."


def _spread(rates: list[float]) -> str:
    return f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
