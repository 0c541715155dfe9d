"""Runs each proof in a process of its own, within its time."""

import os
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

import psutil

from proofs.proof import Budget, Outcome, Proof, Trials
from proofs.registry import PROOFS
from proofs.workers import Worker, start_worker
from tests.servers import ServerUnavailable

__all__ = ("Line", "run")

GRACE = 150.0
"""Seconds to start and end servers, on top of a proof's budget."""


@dataclass(frozen=True)
class Line:
    """What came of one proof on one database."""

    proof: Proof
    database: str
    seed: int
    seconds: float
    status: Literal["ran", "skipped", "broke"]
    outcome: Outcome
    reason: str = ""
    """Why it was skipped, or how it broke."""

    @property
    def failed(self) -> bool:
        if self.status == "skipped":
            return os.environ.get("CI") == "true" and not self.proof.optional
        return self.status == "broke" or bool(self.outcome.failures)


def run(proofs: Iterable[Proof], databases: Iterable[str], budget: Budget | None, seed: int) -> Iterator[Line]:
    """Run proofs, one after another.

    Args:
        proofs: Which ones.
        databases: On which databases, as far as a proof is about them.
        budget: What each may take at most; None for what a full run takes.
        seed: What repeats it.
    """
    wanted = tuple(databases)
    for proof in proofs:
        for database in proof.databases:
            if database.partition(":")[0] in wanted:
                yield _run_one(proof, database, budget or Budget(1, proof.seconds), seed)


def _run_one(proof: Proof, database: str, budget: Budget, seed: int) -> Line:
    began = time.monotonic()
    worker = start_worker(_prove, proof.name, database, budget, seed)
    try:
        worker.wait_until_ready()
        status, outcome, reason = worker.receive(budget.seconds + GRACE)
    except TimeoutError:
        status, outcome, reason = "broke", Outcome(), f"did not end within {budget.seconds + GRACE:.0f} s"
    except EOFError:
        worker.process.join(5)
        status, outcome, reason = "broke", Outcome(), f"its process ended with {worker.process.exitcode}"
    finally:
        _end(worker)
    return Line(proof, database, seed, time.monotonic() - began, status, outcome, reason)


def _end(worker: Worker) -> None:
    """End the process, and what it has left behind."""
    worker.process.join(10)
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(worker.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    worker.end()


def _prove(pipe: Connection, name: str, database: str, budget: Budget, seed: int) -> None:
    trials = Trials(database, budget, seed)
    try:
        PROOFS[name].prove(trials)
    except ServerUnavailable as error:
        pipe.send(("skipped", trials.outcome, str(error)))
    except BaseException:  # noqa: BLE001 - the report tells of it
        pipe.send(("broke", trials.outcome, traceback.format_exc()))
    else:
        pipe.send(("ran", trials.outcome, ""))
