"""The command line: ``python -m tests.browsers --help``."""

from __future__ import annotations

import argparse
import sys

from tests.backends import BACKENDS
from tests.browsers.faults import FAULTS
from tests.browsers.play import run


def main() -> int:
    """Play histories; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.browsers", description="Play random histories of browsers.")
    parser.add_argument("--histories", type=int, default=1000, help="how many, at most (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1800, help="how long, at most (default: %(default)s)")
    parser.add_argument("--backend", choices=list(BACKENDS), default="sqlite-file", help="the database")
    parser.add_argument("--fault", choices=list(FAULTS), default="", metavar="NAME", help=", ".join(FAULTS))
    options = parser.parse_args()
    trials, failures = run(options.histories, options.backend, options.seconds, fault=options.fault)
    sys.stdout.write(f"{options.backend}: {trials} histories, {failures} failures\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
