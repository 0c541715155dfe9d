"""Networks that delay, drop, reset, cut and swallow: at connect, in statements, at release and at close."""

from proofs.networks.proof import prove

__all__ = ("prove",)
