"""What the parts of a coalescer share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from litestar_sqlstores.coalescing.clock import Clock
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
        clock: The time of the event loop, and the context of what runs in it.
        queues: Where the calls wait.
        health: Whether the database answers.
        writing: The keys that are being written, or may be.
    """

    connector: Connector[ConnectionT]
    limits: Limits
    observer: Observer | None
    clock: Clock
    queues: Queues[ConnectionT] = field(default_factory=Queues)
    health: Health = field(default_factory=Health)
    writing: set[bytes] = field(default_factory=set)
