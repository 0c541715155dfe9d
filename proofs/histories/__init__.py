"""Histories: what callers in several processes do to hot keys while everything goes wrong, checked for an order."""

from proofs.histories.proof import prove

__all__ = ("prove",)
