"""How much a call may cost. What is counted does not depend on the machine, so more than this is a fault."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from benchmarks.cost.operations import Cost
from benchmarks.peers import Backend

__all__ = ("excesses",)

Count: TypeAlias = Literal["statements", "requests", "rows written"]

_ROWS_WRITTEN = {
    "get": 0.0,
    "get+renew": 0.0,
    "get+renew due": 1.0,
    "set": 1.0,
    "set new": 1.0,
    "set unchanged": 0.0,
    "delete": 1.0,
    "mixed": 0.2,
}
"""What changes is written once, and what does not is not."""

# Of a caller alone. MariaDB's begin, commit and setting of isolation are statements too.
_SETS = "set", "set new", "set unchanged"
_ALONE: dict[Backend, tuple[Count, dict[str, float]]] = {
    "postgresql": ("statements", {}),
    "sqlite": ("statements", {"get+renew due": 2.0}),
    "mariadb": ("statements", {**dict.fromkeys(_SETS, 3.0), "get+renew due": 5.0, "delete": 2.0, "mixed": 2.0}),
    "spanner": ("requests", {**dict.fromkeys(_SETS, 2.0), "get+renew due": 3.0, "mixed": 1.5}),
}
_TOGETHER = 1 / 4
"""Of 64 callers: four in a statement, at least."""
_TOGETHER_MIXED = 1 / 2
"""Where they do three kinds of things, and each kind has a statement of its own."""
_NOISE = 0.15
"""What a server counts beside, for a call."""


def excesses(costs: Iterable[Cost]) -> list[str]:
    """What costs more than it may, for people to read."""
    found = []
    for cost in costs:
        count, alone = _ALONE[cost.backend]
        if cost.concurrency == 1:
            limits = {count: alone.get(cost.operation, 1.0) + _NOISE}
        else:
            limits = {count: _TOGETHER_MIXED if cost.operation == "mixed" else _TOGETHER}
        if "rows written" in cost.counts:
            limits["rows written"] = _ROWS_WRITTEN[cost.operation] + 0.01
        found += [
            f"{cost.backend}: {cost.operation!r} of {cost.concurrency} callers costs {cost.counts[name]:.3g} {name} a "
            f"call, where {limit:.3g} is the most"
            for name, limit in limits.items()
            if cost.counts[name] > limit
        ]
    return found
