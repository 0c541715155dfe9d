"""What comes out of counting."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import msgspec

from benchmarks.cost.instructions import Instructions
from benchmarks.cost.operations import Cost
from benchmarks.cost.resources import Resources
from benchmarks.machine import Machine

__all__ = ("CostReport",)


@dataclass(frozen=True, slots=True)
class CostReport:
    """One run."""

    started: str
    """UTC, ISO 8601."""
    command: str
    machine: Machine
    servers: dict[str, str]
    """Versions and settings."""
    costs: list[Cost]
    resources: list[Resources] = field(default_factory=list)
    instructions: list[Instructions] = field(default_factory=list)

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return msgspec.json.decode(data, type=cls)

    def to_markdown(self) -> str:
        """A table for each backend, and one for what stores take."""
        lines = [
            f"`{self.command}`, {self.started}",
            "",
            str(self.machine),
            ", ".join(f"{name} {version}" for name, version in (self.servers | self.machine.packages).items()),
            "",
            "What a call costs, on average; sessions of 512 bytes. CPU: of this process, in all its threads.",
        ]
        for backend in dict.fromkeys(cost.backend for cost in self.costs):
            lines += ["", f"### {backend}", "", *_costs([cost for cost in self.costs if cost.backend == backend])]
        if self.resources:
            lines += ["", "### What a store takes", "", *_resources(self.resources)]
        if self.instructions:
            lines += ["", "### Instructions of this process for a call", "", *_instructions(self.instructions)]
        return "\n".join(lines)


def _costs(costs: list[Cost]) -> Iterator[str]:
    names = list(costs[0].counts)
    yield f"| | callers | {' | '.join(names)} | CPU, µs |"
    yield f"|---|---:|{'---:|' * len(names)}---:|"
    for cost in costs:
        counts = " | ".join(
            f"{max(0.0, count):.0f}" if count >= 10 else f"{max(0.0, count):.2g}" for count in cost.counts.values()
        )
        yield f"| {cost.operation} | {cost.concurrency} | {counts} | {cost.cpu:.0f} |"


def _resources(resources: list[Resources]) -> Iterator[str]:
    yield "| | an idle store, KiB | a million sessions on disk, MiB | memory of the process over its calls, MiB |"
    yield "|---|---:|---:|---|"
    for each in resources:
        row = "" if each.row is None else f"{each.row * 1e6 / 2**20:,.0f}"
        resident = f"{', '.join(f'{sample:.0f}' for sample in each.resident)} ({each.calls:,} calls)"
        yield f"| {each.backend} | {each.idle_store / 1024:.1f} | {row} | {resident} |"


def _instructions(instructions: list[Instructions]) -> Iterator[str]:
    yield "| | | callers | instructions | counted by |"
    yield "|---|---|---:|---:|---|"
    for each in instructions:
        yield f"| {each.backend} | {each.operation} | {each.concurrency} | {each.instructions:,.0f} | {each.tool} |"
