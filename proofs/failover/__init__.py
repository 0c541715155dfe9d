"""Failovers: the server that takes writes is another one, and what was acknowledged is there."""

from proofs.failover.galera import prove_galera
from proofs.failover.proof import prove

__all__ = ("prove", "prove_galera")
