"""What a proof is, and what it counts."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from proofs.databases import Database, open_database

__all__ = ("Budget", "Outcome", "Proof", "Trials")

SHOWN = 5
"""How many failures a report describes."""


@dataclass(frozen=True)
class Budget:
    """How much is tried.

    Args:
        scale: How many trials, as a multiple of those of a full run.
        seconds: When to stop, whatever was tried by then.
    """

    scale: float
    seconds: float

    def of(self, trials: int) -> int:
        """So many of the trials of a full run."""
        return max(1, round(trials * self.scale))


@dataclass
class Outcome:
    """What came of it."""

    trials: int = 0
    failures: int = 0
    descriptions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was measured, for people to read."""


class Trials:
    """The trials of one promise on one database.

    Args:
        database: The name of the database.
        budget: How much to try.
        seed: What repeats it.
    """

    def __init__(self, database: str, budget: Budget, seed: int) -> None:
        self.database = database
        self.budget = budget
        self.seed = seed
        self.random = random.Random(seed)
        self.outcome = Outcome()
        self._began = time.monotonic()

    @contextmanager
    def server(self, **settings: str) -> Iterator[Database]:
        """A private database, gone with the block."""
        with open_database(self.database, settings) as database:
            self._began = time.monotonic()  # however long that took
            yield database

    @property
    def left(self) -> float:
        """Seconds until the budget is spent."""
        return self._began + self.budget.seconds - time.monotonic()

    def passed(self, trials: int = 1) -> None:
        self.outcome.trials += trials

    def failed(self, description: str, trials: int = 1) -> None:
        """A trial that broke the promise."""
        self.outcome.trials += trials
        self.outcome.failures += 1
        if len(self.outcome.descriptions) < SHOWN:
            self.outcome.descriptions.append(description)

    def check(self, holds: bool, description: str) -> None:
        """One trial."""
        if holds:
            self.passed()
        else:
            self.failed(description)

    def note(self, text: str) -> None:
        self.outcome.notes.append(text)


@dataclass(frozen=True)
class Proof:
    """A promise, and how it is tried.

    Args:
        name: What it is called on the command line.
        promise: The promise, in a sentence.
        databases: Where it is tried.
        prove: Tries it; runs in a process of its own.
        seconds: What a full run may take on one database.
        short: The part of the trials that the short form makes, 0 for none of them.
        optional: Whether CI passes where its programs are not installed.
    """

    name: str
    promise: str
    databases: tuple[str, ...]
    prove: Callable[[Trials], None]
    seconds: float
    short: float
    optional: bool = False
