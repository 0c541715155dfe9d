"""Who is measured. Everyone gets what a user gets who writes the least: a URL, and the defaults for all the rest."""

from benchmarks.peers import caches, ours, plain, sqlalchemy, sqlspec
from benchmarks.peers.base import BACKENDS, KINDS, Backend, Kind, Peer

__all__ = ("BACKENDS", "KINDS", "PEERS", "Backend", "Kind", "Peer", "chosen")

PEERS = {peer.name: peer for module in (ours, sqlspec, sqlalchemy, plain, caches) for peer in module.PEERS}


def chosen(backends: list[Backend], kinds: list[Kind]) -> list[Peer]:
    """The peers on these databases, and those on none, of these kinds."""
    return [peer for peer in PEERS.values() if peer.kind in kinds and peer.backend in {*backends, None}]
