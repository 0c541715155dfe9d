"""Browsers at random against one application with every feature on."""

import sys

from proofs.proof import Trials

__all__ = ("prove",)

HISTORIES = 1000
BACKENDS = {"sqlite": "sqlite-file"}
"""What the tests call databases, where that is another name."""


def prove(trials: Trials) -> None:
    """Play random histories of browsers; they and their invariants are in ``tests/browsers``."""
    # Imports what every test imports.
    from tests.browsers.play import run

    def report(description: str) -> None:
        sys.stderr.write(f"{description}\n")
        trials.note(description[-2000:])

    name = BACKENDS.get(trials.database, trials.database)
    played, failures = run(trials.budget.of(HISTORIES), name, trials.left * 0.9, report=report)
    trials.passed(played - failures)
    for _ in range(failures):
        trials.failed(f"a history; play it with python -m tests.browsers --backend {name}")
