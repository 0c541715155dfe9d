"""The promises, in the order in which they are tried."""

from proofs import histories
from proofs.databases import DATABASES
from proofs.proof import Proof

__all__ = ("PROOFS",)

_ALL = (
    Proof(
        "histories",
        "Calls on a key are linearizable over all processes, whatever goes wrong.",
        DATABASES,
        histories.prove,
        seconds=240,
        short=0.05,
    ),
)

PROOFS: dict[str, Proof] = {proof.name: proof for proof in _ALL}
