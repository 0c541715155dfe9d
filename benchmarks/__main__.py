"""The command line: ``python -m benchmarks --help``."""

import argparse
import shlex
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol

import uvloop

from benchmarks.cleanup import CleanupReport, measure_cleanup
from benchmarks.compare import NotComparableError, compare
from benchmarks.contender import BenchmarkError, Settings
from benchmarks.cost.instructions import Instructions, count_instructions
from benchmarks.cost.limits import excesses
from benchmarks.cost.operations import count_costs
from benchmarks.cost.report import CostReport
from benchmarks.cost.resources import Resources, measure_resources
from benchmarks.http.report import HttpReport
from benchmarks.http.rounds import HttpSettings, measure_http
from benchmarks.http.variants import VARIANTS
from benchmarks.machine import Machine
from benchmarks.operations import OPERATIONS
from benchmarks.options import parser
from benchmarks.peers import Peer, chosen
from benchmarks.progress import Progress
from benchmarks.report import Report
from benchmarks.runner import measure
from benchmarks.servers import Servers
from tests.servers import ServerUnavailable

SMOKE = Settings(concurrency=(8,), rounds=1, calls=8, rows=(50,))


class AnyReport(Protocol):
    """What a command has to tell."""

    def to_json(self) -> bytes: ...

    def to_markdown(self) -> str: ...


async def run(options: argparse.Namespace, command: str) -> Report:
    """Measure the stores."""
    settings = Settings(
        concurrency=tuple(options.concurrency),
        processes=tuple(options.processes),
        value_sizes=tuple(options.value_size),
        rows=tuple(options.rows),
        hot=options.hot,
        rounds=options.rounds,
        seconds=options.seconds,
    )
    return await _run(chosen(options.backend, options.peers), settings, options.operations, command)


async def smoke(options: argparse.Namespace, command: str) -> Report:
    """Call everything a few times, and see that nothing costs more than it may."""
    peers = chosen(options.backend, options.peers)
    # Everything takes its time on the emulator.
    peers = [peer for peer in peers if peer.backend != "spanner" or peer.kind == "ours"]
    report = await _run(peers, SMOKE, list(OPERATIONS), command)
    with Servers() as servers, Progress() as progress:
        backends = options.backend if "ours" in options.peers else []
        costs = await count_costs(backends, (1, 64), 128, servers, progress)
    if found := excesses(costs):
        raise BenchmarkError("\n".join(found))
    return report


async def _run(peers: list[Peer], settings: Settings, operations: list[str], command: str) -> Report:
    with Servers() as servers, Progress() as progress:
        machine, started = Machine.describe(), _now()
        measured = await measure(peers, [OPERATIONS[name] for name in operations], settings, servers, progress)
        return Report(started, command, machine, await servers.versions(), settings, measured)


async def http(options: argparse.Namespace, command: str) -> HttpReport:
    """Measure an application."""
    settings = HttpSettings(options.rounds, options.seconds, options.connections, options.generator)
    with Servers() as servers, Progress() as progress:
        machine, started = Machine.describe(), _now()
        measured = measure_http([VARIANTS[name] for name in options.variants], settings, servers, progress)
        return HttpReport(started, command, machine, await servers.versions(), settings, measured)


async def cost(options: argparse.Namespace, command: str) -> CostReport:
    """Count what calls cost."""
    with Servers() as servers, Progress() as progress:
        machine, started = Machine.describe(), _now()
        costs = await count_costs(options.backend, options.concurrency, options.calls, servers, progress)
        resources: list[Resources] = []
        instructions: list[Instructions] = []
        if options.memory:
            backends = [backend for backend in options.backend if backend != "spanner"]
            resources = await measure_resources(backends, 1_000_000, 100_000, servers, progress)
        if options.instructions:
            counted = "get", "get+renew", "set"
            instructions = count_instructions(options.backend, counted, (1, 64), servers, progress)
        return CostReport(started, command, machine, await servers.versions(), costs, resources, instructions)


async def cleanup(options: argparse.Namespace, command: str) -> CleanupReport:
    """Remove expired rows while sessions are read."""
    with Servers() as servers, Progress() as progress:
        machine, started = Machine.describe(), _now()
        choices = options.rows, options.batch_size, options.pace
        measured = await measure_cleanup(*choices, servers, progress)
        return CleanupReport(started, command, machine, await servers.versions(), *choices, *measured)


COMMANDS: dict[str, Callable[[argparse.Namespace, str], Coroutine[Any, Any, AnyReport]]] = {
    "run": run,
    "smoke": smoke,
    "http": http,
    "cost": cost,
    "cleanup": cleanup,
}


def main(arguments: list[str] | None = None) -> None:
    """Run a command, and print its report."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    try:
        if options.command == "compare":
            print(compare(options.before, options.after))
            return
        if options.command == "plot":
            from benchmarks.plots import draw  # takes a second to import

            print(*(path for results in options.results for path in draw(results, options.folder)), sep="\n")
            return
        command = shlex.join(["python", "-m", "benchmarks", *arguments])
        report = uvloop.run(COMMANDS[options.command](options, command))
    except (BenchmarkError, ServerUnavailable, NotComparableError) as error:
        sys.exit(str(error))
    print(report.to_markdown())
    if options.json:
        options.json.write_bytes(report.to_json())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    main()
