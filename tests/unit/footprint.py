"""How much a coalescer remembers, to find out whether anything is left behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from litestar_sqlstores.coalescing import Home
from litestar_sqlstores.coalescing.queue import Queue


def footprint(home: Home[Any]) -> dict[str, int]:
    """Its numbers, and the sizes of what it collects."""

    def size(value: Any) -> int:
        if isinstance(value, Queue):
            return sum(map(size, vars(value).values()))
        if isinstance(value, Mapping):
            return sum(size(item) if isinstance(item, (Collection, Queue)) else 1 for item in value.values())
        return len(value) if isinstance(value, Collection) else int(value)

    coalescer = home.coalescer
    parts = (
        coalescer,
        coalescer._queues,
        coalescer._health,
        coalescer._kills,
        coalescer._statements,
        coalescer._lanes,
    )
    return {
        f"{type(part).__name__}.{name}": size(value)
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, (int, Collection)) and name not in {"closed", "_closing", "_ending"}
    }
