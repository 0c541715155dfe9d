"""A linearizability checker for histories of a store.

Calls on one key are linearizable if each can be given one moment between its start and its end, such that they give the
answers they gave when they are made one after another. :mod:`~proofs.linearizability.history` is what was recorded,
:mod:`~proofs.linearizability.model` what one call after another does, :mod:`~proofs.linearizability.checker` the search
for an order.
"""

from proofs.linearizability.checker import Verdict, check, check_key
from proofs.linearizability.history import UNKNOWN, Call, Kind

__all__ = ("UNKNOWN", "Call", "Kind", "Verdict", "check", "check_key")
