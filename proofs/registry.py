"""The promises, in the order in which they are tried."""

from proofs import crashes, histories, networks
from proofs.databases import DATABASES, SERVERS
from proofs.proof import Proof

__all__ = ("PROOFS",)

_ALL = (
    Proof(
        "crashes",
        "Every acknowledged write survives the end of the server, and of processes that write.",
        DATABASES,
        crashes.prove,
        seconds=120,
        short=0.2,
    ),
    Proof(
        "histories",
        "Calls on a key are linearizable over all processes, whatever goes wrong.",
        DATABASES,
        histories.prove,
        seconds=240,
        short=0.05,
    ),
    Proof(
        "networks",
        "No call outlasts its timeout by a second; the store works within 5 seconds of the healing of its network.",
        SERVERS,
        networks.prove,
        seconds=240,
        short=0.2,
    ),
)

PROOFS: dict[str, Proof] = {proof.name: proof for proof in _ALL}
