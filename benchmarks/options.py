"""The commands and their options."""

import argparse
import shutil
from pathlib import Path

from benchmarks.contender import Settings
from benchmarks.http.load import installed_generator
from benchmarks.http.rounds import HttpSettings
from benchmarks.http.variants import VARIANTS
from benchmarks.operations import OPERATIONS
from benchmarks.peers import BACKENDS, KINDS

__all__ = ("parser",)

DEFAULTS = Settings()
HTTP = HttpSettings()
# Few machines have a Valkey server; all others are easily had.
AVAILABLE_KINDS = [kind for kind in KINDS if kind != "valkey" or shutil.which("valkey-server")]
USUAL_KINDS = [kind for kind in AVAILABLE_KINDS if kind not in {"encrypted", "relaxed"}]
# The emulator of Spanner serves one transaction at a time: its figures say little about the service.
USUAL_BACKENDS = [backend for backend in BACKENDS if backend != "spanner"]


def parser() -> argparse.ArgumentParser:
    """What reads the command line."""
    program = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the stores beside their peers.")
    commands = program.add_subparsers(dest="command", required=True)
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--json", type=Path, help="also write everything that was measured to this file")

    def command(name: str, description: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        shown = argparse.ArgumentDefaultsHelpFormatter
        return commands.add_parser(name, parents=parents, help=description, formatter_class=shown)

    peers = argparse.ArgumentParser(add_help=False)
    peers.add_argument("--backend", nargs="+", choices=BACKENDS, default=USUAL_BACKENDS, help="databases to measure on")
    peers.add_argument("--peers", nargs="+", choices=KINDS, default=USUAL_KINDS, help="stores to measure")

    smoke = command("smoke", "call everything a few times; fails on wrong answers and on too much cost", output, peers)
    smoke.set_defaults(backend=list(BACKENDS), peers=AVAILABLE_KINDS)

    run = command("run", "measure the stores", output, peers)
    run.add_argument("--operations", nargs="+", choices=OPERATIONS, default=list(OPERATIONS), help="what to measure")
    run.add_argument("--concurrency", nargs="+", type=int, default=DEFAULTS.concurrency, help="callers at a time")
    run.add_argument("--processes", nargs="+", type=int, default=DEFAULTS.processes, help="processes with so many each")
    run.add_argument("--value-size", nargs="+", type=int, default=DEFAULTS.value_sizes, help="bytes a session holds")
    run.add_argument("--rows", nargs="+", type=int, default=DEFAULTS.rows, help="live sessions in the table")
    run.add_argument("--hot", type=int, default=DEFAULTS.hot, help="how many of them are called for, at most")
    run.add_argument("--rounds", type=int, default=DEFAULTS.rounds, help="rounds of each operation and store")
    run.add_argument("--seconds", type=float, default=DEFAULTS.seconds, help="length of a round, about")

    http = command("http", "measure an application that reads a session, or a cached page, for each request", output)
    http.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="whose sessions")
    http.add_argument("--rounds", type=int, default=HTTP.rounds, help="rounds of each variant")
    http.add_argument("--seconds", type=float, default=HTTP.seconds, help="length of a round")
    http.add_argument("--connections", type=int, default=HTTP.connections, help="requests at a time")
    http.add_argument("--generator", choices=("wrk", "own"), default=installed_generator(), help="what makes requests")

    cost = command("cost", "count what calls cost: statements, rows, bytes, syncs, requests, CPU, memory", output)
    cost.add_argument("--backend", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="databases to count on")
    cost.add_argument("--concurrency", nargs="+", type=int, default=(1, 8, 64, 512), help="callers at a time")
    cost.add_argument("--calls", type=int, default=1024, help="calls of each operation, at least")
    cost.add_argument("--memory", action="store_true", help="also watch memory over a million calls, and measure disk")
    cost.add_argument("--instructions", action="store_true", help="also count instructions, by perf or valgrind")

    cleanup = command("cleanup", "remove expired rows while sessions are read, on PostgreSQL", output)
    cleanup.add_argument("--rows", type=int, default=1_000_000, help="expired rows")
    cleanup.add_argument("--batch-size", type=int, default=1000, help="rows that a statement removes")
    cleanup.add_argument("--pace", type=int, default=1000, help="reads a second")

    comparing = command("compare", "say what differs between two runs")
    comparing.add_argument("before", type=Path, help="what --json of `run` or `http` wrote")
    comparing.add_argument("after", type=Path, help="the same, later")

    plot = command("plot", "draw a run")
    plot.add_argument("results", type=Path, nargs="+", help="what --json of `run` or `http` wrote")
    plot.add_argument("--folder", type=Path, default=Path("docs/figures"), help="where the SVG files go")
    return program
