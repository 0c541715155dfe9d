"""The table of promises, databases, trials and failures."""

import json
from collections.abc import Sequence
from pathlib import Path

from proofs.runner import Line

__all__ = ("describe", "table", "write_json")

HEAD = ("promise", "database", "trials", "failures", "seconds")


def table(lines: Sequence[Line]) -> str:
    """A Markdown table."""
    rows = [HEAD, tuple("-" * len(name) for name in HEAD), *map(_row, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def _row(line: Line) -> tuple[str, ...]:
    failures = {"ran": f"{line.outcome.failures:,}", "skipped": "skipped", "broke": "broke"}[line.status]
    return line.proof.name, line.database, f"{line.outcome.trials:,}", failures, f"{line.seconds:.0f}"


def describe(line: Line) -> str:
    """What a line of the table does not tell; empty if that is nothing."""
    told = [f"  {note}" for note in line.outcome.notes]
    if line.status == "skipped":
        told.append(f"  skipped: {line.reason}")
    if line.status == "broke":
        told.append(f"  broke: {line.reason}")
    told += [f"  failed: {description}" for description in line.outcome.descriptions]
    if line.status == "broke" or line.outcome.failures:
        told.append(f"  repeat: python -m proofs --only {line.proof.name} --backend {line.database} --seed {line.seed}")
    return "\n".join([f"{line.proof.name}, {line.database}:", *told]) if told else ""


def write_json(lines: Sequence[Line], path: Path) -> None:
    """Write the figures for other programs."""
    rows = [
        {
            **dict(zip(HEAD[:2], (line.proof.name, line.database), strict=True)),
            "trials": line.outcome.trials,
            "failures": line.outcome.failures,
            "seconds": round(line.seconds, 1),
            "status": line.status,
            "seed": line.seed,
            "notes": line.outcome.notes,
            "descriptions": line.outcome.descriptions,
        }
        for line in lines
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n")
