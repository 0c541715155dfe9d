"""What a visit does to its session: a list of steps, which the application performs and the model predicts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ("HOLD", "PROGRAM_HEADER", "Play", "Program", "Step")

PROGRAM_HEADER = "x-program"

Step: TypeAlias = tuple[str, ...]
"""A name and its arguments:

``read``; ``set`` key value; ``drop`` key; ``rotate``; ``log-out``; ``log-in`` user, with a new id; ``enter`` user, by
``set_session`` alone; ``end`` ``all`` or ``others``, on every device; ``cookie`` value, one of the handler's own;
``spoil`` ``object`` or ``size``, with what cannot be stored; ``raise`` ``error`` or ``conflict``; ``hold``, until the
test lets it go on.
"""
HOLD: Step = ("hold",)


@dataclass(frozen=True)
class Program:
    """The steps of one visit.

    Attributes:
        before: What is done before the response begins, or the websocket is accepted.
        during: What is done after that.
    """

    before: tuple[Step, ...] = ()
    during: tuple[Step, ...] = ()

    def encode(self) -> str:
        return json.dumps([self.before, self.during], separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Program:
        before, during = json.loads(text or "[[],[]]")
        return cls(tuple(map(tuple, before)), tuple(map(tuple, during)))

    @property
    def names(self) -> set[str]:
        return {step[0] for step in (*self.before, *self.during)}

    @property
    def touches(self) -> bool:
        """Whether the session is read or changed before the response begins; to want a new id is neither."""
        return bool({step[0] for step in self.before} - {"hold", "cookie", "raise", "rotate"})


@dataclass
class Play:
    """What becomes of a session's data when steps are performed on it.

    Attributes:
        data: What is in the session.
        seen: What the last ``read`` saw.
        new_id: Whether it asked for a new id.
        cleared: Whether the session was ended; what is in it now is another.
        spoiled: Whether what is in it can be stored.
        raised: What the handler raised.
        ends: Whose other sessions it ended: the user, and whether its own went on.
    """

    data: dict[str, str]
    seen: dict[str, str] | None = None
    new_id: bool = False
    cleared: bool = False
    spoiled: bool = False
    raised: str = ""
    ends: list[tuple[str, bool]] = field(default_factory=list)

    def run(self, steps: tuple[Step, ...]) -> None:
        for name, *arguments in steps:
            if self.raised:
                return
            getattr(self, f"_{name.replace('-', '_')}")(*arguments)

    def _hold(self) -> None:
        pass

    def _cookie(self, value: str) -> None:
        pass

    def _read(self) -> None:
        self.seen = dict(self.data)

    def _set(self, key: str, value: str) -> None:
        self.data[key] = value

    def _drop(self, key: str) -> None:
        self.data.pop(key, None)

    def _rotate(self) -> None:
        self.new_id = True

    def _log_in(self, user: str) -> None:
        self.new_id = True
        self.data["user"] = user

    def _enter(self, user: str) -> None:
        self.data = {**self.data, "user": user}

    def _log_out(self) -> None:
        self.data = {}
        self.cleared = True
        self.spoiled = False

    def _end(self, whose: str) -> None:
        if "user" in self.data:
            self.ends.append((self.data["user"], whose == "others"))
            if whose == "all":
                self._log_out()

    def _spoil(self, how: str) -> None:
        self.spoiled = True

    def _raise(self, what: str) -> None:
        self.raised = what
