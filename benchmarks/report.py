"""What comes out of a run: Markdown to read, JSON to keep, to compare and to draw."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Self

import msgspec

from benchmarks.contender import Settings
from benchmarks.machine import Machine
from benchmarks.opening import Table
from benchmarks.runner import Measurement

__all__ = ("Report", "ratio", "scenarios")

_LEGEND = """\
Operations a second (median of the rounds). **2x** behind a figure: ours is twice as fast as that store, which is the
median over the rounds, each of which measures all stores in turn. A driver without a store runs our statements with
nothing around them: as many calls in a statement as there are callers, or as many as are best; **0.5x** there says that
the store reaches half of it. The tables of the single operations have the spread (lowest to highest round) and the
median latencies."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    started: str
    """UTC, ISO 8601."""
    command: str
    machine: Machine
    servers: dict[str, str]
    """Versions and settings."""
    settings: Settings
    measurements: list[Measurement]

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return msgspec.json.decode(data, type=cls)

    def to_markdown(self) -> str:
        """For each backend, kind of table and number of callers, an overview and the operations one by one."""
        return "\n".join([*self._heading(), *self._tables()])

    def _heading(self) -> Iterator[str]:
        settings, machine = self.settings, self.machine
        length = f"{settings.calls} calls: no figures to go by" if settings.calls else f"about {settings.seconds:g} s"
        rounds = f"{settings.rounds} round{'s' * (settings.rounds > 1)} of {length}"
        yield f"`{self.command}`, {self.started}: {rounds}, uvloop"
        yield ""
        yield str(machine)
        yield ", ".join(f"{name} {version}" for name, version in (self.servers | machine.packages).items())
        yield ""
        yield _LEGEND

    def _tables(self) -> Iterator[str]:
        for (backend, table, concurrency), measured in scenarios(self.measurements):
            yield ""
            yield (
                f"### {backend or 'No database'}, {_callers(concurrency, table)}, {table.rows:,} live sessions of "
                f"{table.value_size:,} bytes"
            )
            yield ""
            yield from _overview(measured)
            for operation in dict.fromkeys(m.operation for m in measured):
                yield ""
                yield f"#### {operation}"
                yield ""
                yield from _details([m for m in measured if m.operation == operation])


def scenarios(
    measurements: Iterable[Measurement],
) -> Iterator[tuple[tuple[str | None, Table, int], list[Measurement]]]:
    """What was measured under the same conditions: with one backend, and with none, on one kind of table."""
    every = list(measurements)
    for table, concurrency in dict.fromkeys((m.table, m.concurrency) for m in every):
        alike = [m for m in every if (m.table, m.concurrency) == (table, concurrency)]
        for backend in dict.fromkeys(m.backend for m in alike if m.backend) or (None,):
            yield (backend, table, concurrency), [m for m in alike if m.backend in {backend, None}]


def ratio(measurement: Measurement, others: Iterable[Measurement]) -> float | None:
    """How many times as fast ours is, among others in the same conditions; None for ours itself."""
    ours = next((m for m in others if m.kind == "ours" and m.operation == measurement.operation), None)
    if ours is None or ours is measurement or not measurement.rates:
        return None
    return median(own / other for own, other in zip(ours.rates, measurement.rates, strict=True))


def _callers(concurrency: int, table: Table) -> str:
    callers = f"{concurrency} concurrent caller{'s' * (concurrency > 1)}"
    return callers if table.processes == 1 else f"{table.processes} processes with {callers} each"


def _overview(measured: list[Measurement]) -> Iterator[str]:
    operations = list(dict.fromkeys(m.operation for m in measured))
    yield f"| | {' | '.join(operations)} |"
    yield f"|---|{'---:|' * len(operations)}"
    for peer in dict.fromkeys(m.peer for m in measured):
        cells = {m.operation: _cell(m, measured) for m in measured if m.peer == peer}
        yield f"| {peer} | {' | '.join(cells.get(operation, '') for operation in operations)} |"


def _cell(measurement: Measurement, measured: list[Measurement]) -> str:
    if measurement.error:
        return "fails"
    times = ratio(measurement, measured)
    return f"{measurement.rate:,.0f}" + ("" if times is None else f" **{times:.2g}x**")


def _details(measured: list[Measurement]) -> Iterator[str]:
    yield "| | operations/s | lowest to highest | ours is | p50, ms | p99, ms | p99.9, ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for m in measured:
        name = m.peer + (f" ({m.shape})" if m.shape else "")
        if m.error:
            yield f"| {name} | fails: {m.error} | | | | | |"
            continue
        times = ratio(m, measured)
        latencies = [
            f"{median(getattr(latency, percentile) for latency in m.latencies) / 1000:.3g}"
            for percentile in ("p50", "p99", "p999")
        ]
        yield (
            f"| {name} | {m.rate:,.0f} | {min(m.rates):,.0f} to {max(m.rates):,.0f} | "
            f"{'' if times is None else f'{times:.2g}x'} | {' | '.join(latencies)} |"
        )
