"""What is recorded of a call."""

from typing import Literal, NamedTuple, TypeAlias

__all__ = ("READS", "REPLACEMENTS", "UNKNOWN", "Answer", "Call", "Kind")

Kind: TypeAlias = Literal["get", "get_and_renew", "remaining", "set", "delete", "renew", "increment", "replace"]
Answer: TypeAlias = "bytes | int | bool | None"

READS: frozenset[Kind] = frozenset({"get", "remaining"})
"""Calls that change nothing."""
REPLACEMENTS: frozenset[Kind] = frozenset({"set", "delete", "increment", "replace"})
"""Calls that change more than an expiry."""
UNKNOWN = float("inf")
"""When a call ended whose outcome nobody knows: it may take effect at any time, or never."""


class Call(NamedTuple):
    """One call on one key. Times are seconds of one monotonic clock that all processes share."""

    kind: Kind
    key: str
    start: float
    end: float
    """When it was answered; `UNKNOWN` if it failed and may have taken effect all the same."""
    answer: Answer = None
    value: bytes | None = None
    """What is stored: by set and replace."""
    ttl: float | None = None
    """Seconds to live, None for ever: of set, replace, increment and renewals."""
    expected: bytes | None = None
    """What replace expects, None for anything."""
    by: int = 0
    """What increment adds."""
    process: int = 0
    """Which process made it."""
    reported: float = 0.0
    """When an unknown outcome was reported to the caller."""

    @property
    def is_known(self) -> bool:
        """Whether it took effect, with the answer that it has."""
        return self.end < UNKNOWN

    @property
    def writes(self) -> bool:
        return self.kind not in READS

    def describe(self, origin: float = 0.0) -> str:
        """One line for people; times as milliseconds since `origin`."""
        ended = f"{(self.end - origin) * 1000:.1f}" if self.is_known else "unknown"
        if UNKNOWN > self.reported > 0:
            ended += f", told at {(self.reported - origin) * 1000:.1f}"
        said = [f"{name}={value!r}" for name, value in (("value", self.value), ("expected", self.expected)) if value]
        said += [f"by={self.by}"] if self.by else []
        said += [f"ttl={self.ttl}"] if self.ttl is not None else []
        answer = f" -> {self.answer!r}" if self.is_known else ""
        return f"[{(self.start - origin) * 1000:.1f}, {ended}] p{self.process} {self.kind}({', '.join(said)}){answer}"
