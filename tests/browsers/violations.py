"""What the histories find."""

from __future__ import annotations

__all__ = ("Violation",)


class Violation(AssertionError):  # noqa: N818 - it is what was found
    """Something that must hold does not.

    Args:
        kind: What kind of thing, in a few words.
        what: What exactly, and where.
    """

    def __init__(self, kind: str, what: object) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind
