"""What the parts of a coalescer share."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from litestar_sqlstores.coalescing.health import Health
from litestar_sqlstores.coalescing.limits import Limits
from litestar_sqlstores.coalescing.operations import Connector
from litestar_sqlstores.coalescing.queues import Queues
from litestar_sqlstores.observability import Observer

__all__ = ("Shared",)

ConnectionT = TypeVar("ConnectionT")


@dataclass
class Shared(Generic[ConnectionT]):
    """What the parts of a coalescer share.

    Attributes:
        connector: How to reach the database.
        limits: What to use at most.
        observer: Who is told of each statement.
        context: What timers, callbacks and tasks run in: they outlive the request that happens to cause them, and must
            not keep it alive.
        queues: Where the calls wait.
        health: Whether the database answers.
        writing: The keys that are being written, or may be.
    """

    connector: Connector[ConnectionT]
    limits: Limits
    observer: Observer | None
    context: contextvars.Context
    queues: Queues[ConnectionT] = field(default_factory=Queues)
    health: Health = field(default_factory=Health)
    writing: set[bytes] = field(default_factory=set)
