"""Runs the rounds: each variant in turn, each time with an application and a database of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import psutil

from benchmarks.contender import BenchmarkError
from benchmarks.http.load import Generator, Load, generate
from benchmarks.http.server import Application, serve
from benchmarks.http.variants import Variant
from benchmarks.progress import Progress
from benchmarks.servers import Servers

__all__ = ("HttpMeasurement", "HttpSettings", "measure_http")

_SESSIONS = 256
_WARM_UP = 1.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    rounds: int = 3
    seconds: float = 5.0
    connections: int = 64
    generator: Generator = "wrk"


@dataclass(slots=True)
class HttpMeasurement:
    """What one variant did: one figure for each round."""

    variant: str
    rates: list[float] = field(default_factory=list)
    """Requests a second."""
    p50: list[float] = field(default_factory=list)
    """Milliseconds."""
    p99: list[float] = field(default_factory=list)
    application: list[float] = field(default_factory=list)
    """CPUs that the application was busy on."""
    server: list[float] = field(default_factory=list)
    """CPUs that the server of the sessions was busy on."""
    errors: list[int] = field(default_factory=list)
    """Requests that had no answer, or an error. One of ours ends the run."""

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)

    @property
    def per_cpu(self) -> float:
        """The median of requests for a second that the application computed: how fast it is if nobody is in its way."""
        return median(rate / max(cpu, 1e-3) for rate, cpu in zip(self.rates, self.application, strict=True))

    def add(self, load: Load, application: float, server: float) -> None:
        self.rates.append(load.requests / load.seconds)
        self.p50.append(load.p50 / 1000)
        self.p99.append(load.p99 / 1000)
        self.application.append(application / load.seconds)
        self.server.append(server / load.seconds)
        self.errors.append(load.errors)


def measure_http(
    variants: Sequence[Variant], settings: HttpSettings, servers: Servers, progress: Progress
) -> list[HttpMeasurement]:
    """Measure the variants.

    Raises:
        BenchmarkError: An application gave a wrong answer.
    """
    progress.expect(len(variants) * settings.rounds)
    measurements = [HttpMeasurement(variant.name) for variant in variants]
    for number in range(1, settings.rounds + 1):
        progress.title(f"round {number} of {settings.rounds}")
        for variant, measurement in zip(variants, measurements, strict=True):
            progress.show(variant.name)
            url = variant.peer.place(servers) if variant.peer else ""
            with serve(variant, url) as application:
                _round(application, variant, measurement, settings, servers)
    return measurements


def _round(
    application: Application, variant: Variant, measurement: HttpMeasurement, settings: HttpSettings, servers: Servers
) -> None:
    cookies = [application.log_in(user) for user in range(_SESSIONS)]
    _check(application, variant, cookies)
    generate(settings.generator, application.port, cookies, settings.connections, _WARM_UP)
    server = servers.pid(variant.peer.backend or variant.peer.kind) if variant.peer else None
    before = _cpu(application.pid), _cpu(server)
    load = generate(settings.generator, application.port, cookies, settings.connections, settings.seconds)
    after = _cpu(application.pid), _cpu(server)
    if not load.requests or (load.errors and variant.kind == "ours"):
        msg = f"{variant.name}: {load.errors} of {load.requests} requests failed"
        raise BenchmarkError(msg)
    _check(application, variant, cookies)
    measurement.add(load, after[0] - before[0], after[1] - before[1])


def _check(application: Application, variant: Variant, cookies: list[str]) -> None:
    for user in (1, _SESSIONS - 1):
        answer = application.read(cookies[user])
        if answer != variant.answer(user):
            msg = f"{variant.name}: user {user} is answered {answer!r}"
            raise BenchmarkError(msg)


def _cpu(pid: int | None) -> float:
    """Seconds of CPU that a process and its children have used."""
    if pid is None:
        return 0.0
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)
