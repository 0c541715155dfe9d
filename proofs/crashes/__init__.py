"""Crashes: SIGKILL of the server, or of processes that write."""

from proofs.crashes.proof import prove

__all__ = ("prove",)
