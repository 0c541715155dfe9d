"""Whose sessions, or whose response cache, an application may have."""

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
    cached: bool = False
    """Whether the route is answered from the response cache. It has sessions beside that with ``own_config`` only."""

    def answer(self, user: int) -> bytes:
        """What the route answers to a user."""
        return b'{"user":%d}' % (1 if self.cached or self.kind is None else user)

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
        Variant("MemoryStore, cached page", "memory", cached=True),
        Variant("RedisStore, cached page", "redis", cached=True),
        Variant("ours on PostgreSQL, cached page", "ours", "postgresql", cached=True),
        Variant(
            "ours on PostgreSQL, cached page, SQLSessionConfig", "ours", "postgresql", own_config=True, cached=True
        ),
        Variant("ours on SQLite, cached page", "ours", "sqlite", cached=True),
        Variant("ours on SQLite, cached page, SQLSessionConfig", "ours", "sqlite", own_config=True, cached=True),
        Variant("ours on MariaDB", "ours", "mariadb"),
        Variant("ours on MariaDB, SQLSessionConfig", "ours", "mariadb", own_config=True),
    )
}
