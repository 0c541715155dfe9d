"""Durability: what was answered was synced before, seen by what the processes ask of the kernel."""

from proofs.durability.proof import prove

__all__ = ("prove",)
