"""The command line: ``python -m proofs --help``."""

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from proofs.databases import DATABASES, MAIN
from proofs.proof import Budget
from proofs.registry import PROOFS
from proofs.report import describe, table, write_json
from proofs.runner import Line, run

SHORT_SECONDS = 40.0
"""What a proof of the short form may take on one database, at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proofs; the exit status."""
    options = _parser().parse_args(arguments)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    databases = options.backend or (MAIN if options.short else DATABASES)
    began = time.monotonic()
    lines: list[Line] = []
    for name in options.only or PROOFS:
        proof = PROOFS[name]
        budget = Budget(1, options.seconds or proof.seconds)
        if options.short:
            budget = Budget(proof.short, options.seconds or SHORT_SECONDS)
        if options.short and not proof.short and not options.only:
            continue
        for line in run([proof], databases, budget, seed):
            lines.append(line)
            print(table([line]).splitlines()[-1], describe(line), sep="\n", flush=True)
    print(f"\nseed {seed}, {time.monotonic() - began:.0f} s\n\n{table(lines)}")
    if options.json:
        write_json(lines, options.json)
    failed = sum(line.failed for line in lines)
    print(f"\n{failed} of {len(lines)} failed" if failed else f"\nall {len(lines)} hold")
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proofs", description="Try what the stores promise.")
    parser.add_argument("--short", action="store_true", help="fewer trials: minutes instead of an hour")
    parser.add_argument("--only", nargs="+", choices=list(PROOFS), metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--backend", nargs="+", choices=DATABASES, help="the databases to try")
    parser.add_argument("--seconds", type=float, help="what a proof may take on one database, at most")
    parser.add_argument("--seed", type=int, help="repeats the choices of a run")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
