"""What a request makes of its session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.browsers.jar import Cookie
    from tests.browsers.programs import Play

__all__ = ("Data", "Outcome", "Verdict", "ended", "lives", "stored")

Data = dict[str, str]
Verdict = Literal["nothing", "keep", "new", "end"]
"""What the answer says to the browser about its session: nothing; at most that it lives longer; that it has another id;
that it is over."""


@dataclass
class Outcome:
    """What a request makes of its session, in one of the worlds that may be.

    Attributes:
        verdict: What its answer says.
        data: What is then in the session: in the new one, if there is one; nothing in one that has ended.
        ends_loaded: Whether the one that it loaded is over, rather than having another id.
    """

    verdict: Verdict
    data: Data = field(default_factory=dict)
    ends_loaded: bool = False


def stored(current: Data, base: Data, play: Play, *, merges: bool) -> list[Outcome]:
    """What is made of a session that another request may have changed meanwhile."""
    if play.spoiled:  # a log-out before that may count
        return [Outcome("nothing", current), *([Outcome("nothing", ends_loaded=True)] if play.cleared else [])]
    if play.cleared:
        return [Outcome("new" if play.data else "end", play.data, ends_loaded=True)]
    is_new = play.new_id or base.get("user") != play.data.get("user")
    if play.data == base and not is_new:
        # In another order, it is stored again.
        return [Outcome("nothing" if list(play.data) == list(base) else "keep", current)]
    data = _merged(base, play.data, current) if merges else play.data
    if not data:
        return [Outcome("end", ends_loaded=True)]
    # Who only asks for a new id may take along what others have changed.
    also = [Outcome("new", current)] if play.data == base and current != data else []
    return [Outcome("new" if is_new else "keep", data), *also]


def ended(play: Play) -> list[Outcome]:
    """What is made of a session that another request has ended, or this one everywhere."""
    if play.cleared and play.data and not play.spoiled:
        return [Outcome("new", play.data, ends_loaded=True)]
    return [Outcome("nothing"), *([Outcome("end", ends_loaded=True)] if play.cleared else [])]


def lives(cookie: Cookie) -> bool:
    return cookie.expires is None or cookie.expires > 0


def _merged(base: Data, mine: Data, theirs: Data) -> Data:
    """What the two changes of one session make of it."""
    merged = dict(theirs)
    for key in base.keys() | mine.keys():
        if base.get(key) != mine.get(key):
            merged.pop(key, None)
            if key in mine:
                merged[key] = mine[key]
    return merged
