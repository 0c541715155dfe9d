"""What comes out of a run over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Self

import msgspec

from benchmarks.http.rounds import HttpMeasurement, HttpSettings
from benchmarks.machine import Machine

__all__ = ("HttpReport",)


@dataclass(frozen=True, slots=True)
class HttpReport:
    """One run."""

    started: str
    """UTC, ISO 8601."""
    command: str
    machine: Machine
    servers: dict[str, str]
    """Versions and settings."""
    settings: HttpSettings
    measurements: list[HttpMeasurement]

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return msgspec.json.decode(data, type=cls)

    def to_markdown(self) -> str:
        """A table with a line for each variant."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        settings = self.settings
        generator = "wrk" if settings.generator == "wrk" else "the generator of benchmarks.http"
        yield (
            f"`{self.command}`, {self.started}: granian with one worker, {settings.connections} connections of "
            f"{generator}, {settings.rounds} rounds of {settings.seconds:g} s"
        )
        yield ""
        yield str(self.machine)
        yield ", ".join(f"{name} {version}" for name, version in (self.servers | self.machine.packages).items())
        yield ""
        yield (
            "Litestar's ServerSideSessionConfig, unless SQLSessionConfig is named; medians of the rounds. CPU: how "
            "many were busy, of the application and of the server that has its sessions. Requests for a second that "
            "the application computed say more than requests a second where others use the machine too."
        )
        yield ""
        yield (
            "| sessions | requests/s | lowest to highest | p50, ms | p99, ms | CPU, application | CPU, server "
            "| requests for a CPU second |"
        )
        yield "|---|---:|---:|---:|---:|---:|---:|---:|"
        for m in self.measurements:
            cells = (f"{median(each):.2f}" for each in (m.p50, m.p99, m.application, m.server))
            spread = f"{min(m.rates):,.0f} to {max(m.rates):,.0f}"
            failed = f" ({sum(m.errors)} requests failed)" if any(m.errors) else ""
            yield f"| {m.variant}{failed} | {m.rate:,.0f} | {spread} | {' | '.join(cells)} | {m.per_cpu:,.0f} |"
