"""Whose sessions an application may have."""

from dataclasses import dataclass

from benchmarks.peers import PEERS, Backend, Peer
from benchmarks.peers.base import Kind

__all__ = ("VARIANTS", "Variant")


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the report."""

    name: str
    kind: Kind | None = None
    """What kind of peer has the sessions; None for a route without any."""
    backend: Backend | None = None
    own_config: bool = False
    """Whether our session configuration takes the place of Litestar's."""

    @property
    def peer(self) -> Peer | None:
        """Whose store it is."""
        return next((peer for peer in PEERS.values() if (peer.kind, peer.backend) == (self.kind, self.backend)), None)


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("no session"),
        Variant("MemoryStore", "memory"),
        Variant("RedisStore", "redis"),
        Variant("SQLSpec on PostgreSQL", "sqlspec", "postgresql"),
        Variant("ours on PostgreSQL", "ours", "postgresql"),
        Variant("ours on PostgreSQL, SQLSessionConfig", "ours", "postgresql", own_config=True),
        Variant("SQLSpec on SQLite", "sqlspec", "sqlite"),
        Variant("ours on SQLite", "ours", "sqlite"),
        Variant("ours on SQLite, SQLSessionConfig", "ours", "sqlite", own_config=True),
        Variant("ours on MariaDB", "ours", "mariadb"),
        Variant("ours on MariaDB, SQLSessionConfig", "ours", "mariadb", own_config=True),
    )
}
