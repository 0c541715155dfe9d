"""Hostile input: keys, values, owners, namespaces, table names, URLs and settings that nobody should give."""

from proofs.hostile.proof import prove

__all__ = ("prove",)
