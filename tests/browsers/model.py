"""What is in the sessions of the site, as it should be.

One request moves at a time: others are held where the test wants them. So it is known when each loads its session and
when it stores it. Where the outcome is nobody's promise, the model keeps every one that may be, until an answer tells.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.browsers.programs import HOLD, Play

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browsers.browser import Exchange
    from tests.browsers.jar import Cookie

__all__ = ("Session", "Violation", "Visit", "World")

Data = dict[str, str]
Verdict = Literal["nothing", "keep", "new", "end"]
"""What the answer says to the browser about its session: nothing; at most that it lives longer; that it has another id;
that it is over."""

CHOOSES_A_SESSION = {"log-in", "enter", "rotate", "log-out", "end"}


class Violation(AssertionError):  # noqa: N818 - it is what was found
    """Something that must hold does not.

    Args:
        kind: What kind of thing, in a few words.
        what: What exactly, and where.
    """

    def __init__(self, kind: str, what: object) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@dataclass
class Session:
    """A session.

    Attributes:
        id: What it is known by.
        possible: What may be in it; an empty one has ended.
    """

    id: str
    possible: list[Data]
    version: int = 0

    def become(self, possible: list[Data]) -> None:
        self.possible = [data for number, data in enumerate(possible) if data not in possible[:number]]
        self.version += 1


@dataclass
class Visit:
    """A request that is under way: the session that it loaded, and what it has done to it."""

    exchange: Exchange
    loaded: Session | None
    loaded_id: str
    late: bool
    bases: list[Data]
    plays: list[Play]
    version: int
    rest: tuple[tuple[str, ...], ...] = ()
    socket_session: Session | None = field(default=None)


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


class World:
    """The sessions of one part of the site.

    Args:
        key: The name of their cookie.
        merges: Whether concurrent changes are merged.
    """

    def __init__(self, key: str, *, merges: bool) -> None:
        self.key = key
        self.sessions: dict[str, Session] = {}
        self.rotated: set[str] = set()
        self.ended: set[str] = set()
        self._merges = merges

    def session_of(self, ids: list[str]) -> Session | None:
        return next((self.sessions[each] for each in ids if each in self.sessions), None)

    # -- a request

    def begin(self, exchange: Exchange) -> Visit:
        """A request loads its session, and does what it does until it is held."""
        ids = [cookie.value for cookie in exchange.sent if cookie.name == self.key]
        loaded = self.session_of(ids)
        bases = copy.deepcopy(loaded.possible) if loaded else [{}]
        late = loaded is None and any(each in self.rotated for each in ids)
        visit = Visit(
            exchange,
            loaded,
            loaded.id if loaded else "",
            late,
            bases,
            [Play(dict(base)) for base in bases],
            loaded.version if loaded else 0,
        )
        steps = exchange.order.program.before
        held = steps.index(HOLD) if HOLD in steps else len(steps)
        self._run(visit, steps[:held])
        visit.rest = steps[held:]
        return visit

    def answered(self, visit: Visit) -> None:
        """A request stores its session, and its answer says so."""
        if visit.rest:
            self._run(visit, visit.rest)
        self._narrow(visit)
        outcomes = [
            outcome
            for base, play in zip(visit.bases, visit.plays, strict=True)
            for outcome in self._outcomes(visit, base, play)
        ]
        if visit.exchange.order.is_copied:
            outcomes += [
                outcome for base in visit.bases for outcome in self._outcomes(visit, base, Play(copy.copy(base)))
            ]
        self._settle(visit, outcomes)

    def was_replayed(self, visit: Visit) -> None:
        """The answer came from a cache: nothing of the program was done."""
        visit.plays = [Play(dict(base)) for base in visit.bases]
        visit.rest = ()

    def closed(self, visit: Visit) -> None:
        """A websocket stores what has changed since it accepted, under the id that the browser knows."""
        session = visit.socket_session
        steps = visit.exchange.order.program.during
        if session is None or not steps or session.id not in self.sessions:
            return
        possible: list[Data] = []
        for base in session.possible:
            play = Play(dict(base))
            play.run(steps)
            possible.append({} if play.cleared else play.data)  # another session has no way to begin
        self._change(session, possible)

    # -- what others do

    def end_all(self, user: str, *, but: Session | None = None, surely: bool = True) -> None:
        """Every session of a user ends, but for one."""
        for session in list(self.sessions.values()):
            if session is but or not any(data.get("user") == user for data in session.possible):
                continue
            ended = [{} if data.get("user") == user else data for data in session.possible]
            self._change(session, ended if surely else [*ended, *session.possible])

    def end(self, session: Session) -> None:
        self._change(session, [{}])

    # -- parts

    def _run(self, visit: Visit, steps: tuple[tuple[str, ...], ...]) -> None:
        for play in visit.plays:
            play.run(steps)
        every = [end for play in visit.plays for end in play.ends]
        surely = all(play.ends for play in visit.plays)
        for user, keeps_own in every:
            self.end_all(user, but=visit.loaded if keeps_own else None, surely=surely)
        for play in visit.plays:
            play.ends.clear()

    def _narrow(self, visit: Visit) -> None:
        """Leave what the page shows, of what may have been."""
        answer = visit.exchange.answer
        assert answer is not None
        if answer.page is None or not any(play.seen is not None for play in visit.plays):
            return
        seen = answer.page["session"]
        kept = [pair for pair in zip(visit.bases, visit.plays, strict=True) if pair[1].seen == seen]
        if not kept:
            expected = " or ".join(str(play.seen) for play in visit.plays)
            raise Violation("another session", f"{seen} in place of {expected}: {visit.exchange}")
        visit.bases, visit.plays = [base for base, _ in kept], [play for _, play in kept]
        if visit.loaded is not None and visit.loaded.version == visit.version:
            visit.loaded.possible = copy.deepcopy(visit.bases)

    def _outcomes(self, visit: Visit, base: Data, play: Play) -> list[Outcome]:
        loaded = visit.loaded
        if loaded is None or not base:
            if not play.data or play.spoiled:
                return [Outcome("nothing")]
            if not visit.late:
                return [Outcome("new", play.data, ends_loaded=True)]
            # Who logs in with an id that was rotated away may be let in, or told to come again.
            chooses = CHOOSES_A_SESSION & visit.exchange.order.program.names
            return [Outcome("nothing"), *([Outcome("new", play.data, ends_loaded=True)] if chooses else [])]
        if loaded.id != visit.loaded_id:  # another request has given it a new id
            # Who logs out at that very moment may be taken at their word.
            cleared = [Outcome("new" if play.data else "end", play.data, ends_loaded=True)] if play.cleared else []
            return [Outcome("nothing"), *cleared]
        return [
            outcome
            for current in loaded.possible
            for outcome in (self._stored(current, base, play) if current else _ended(play))
        ]

    def _stored(self, current: Data, base: Data, play: Play) -> list[Outcome]:
        """What is made of a session that another request may have changed meanwhile."""
        if play.spoiled:  # a log-out before that may count
            return [Outcome("nothing", current), *([Outcome("nothing", ends_loaded=True)] if play.cleared else [])]
        if play.cleared:
            return [Outcome("new" if play.data else "end", play.data, ends_loaded=True)]
        is_new = play.new_id or base.get("user") != play.data.get("user")
        if play.data == base and not is_new:
            return [Outcome("nothing", current)]
        data = _merge(base, play.data, current) if self._merges else play.data
        if not data:
            return [Outcome("end", ends_loaded=True)]
        # Who only asks for a new id may take along what others have changed.
        also = [Outcome("new", current)] if play.data == base and current != data else []
        return [Outcome("new" if is_new else "keep", data), *also]

    def _settle(self, visit: Visit, outcomes: list[Outcome]) -> None:
        """Take the outcomes that the cookie of the answer is right for."""
        cookies = [cookie for cookie in visit.exchange.cookies if cookie.name == self.key]
        if len(cookies) > 1:
            raise Violation("several cookies", visit.exchange)
        cookie = cookies[0] if cookies else None
        fits: dict[Verdict, Callable[[Cookie | None], bool]] = {
            "nothing": lambda cookie: cookie is None,
            "keep": lambda cookie: cookie is None or (cookie.value == visit.loaded_id and _lives(cookie)),
            "new": lambda cookie: cookie is not None and _lives(cookie) and self._is_unknown(cookie, visit),
            "end": lambda cookie: cookie is not None and not _lives(cookie),
        }
        right = [outcome for outcome in outcomes if fits[outcome.verdict](cookie)]
        if not right:
            wanted = " or ".join(sorted({outcome.verdict for outcome in outcomes}))
            said = cookie and (cookie.value, "lives" if _lives(cookie) else "is over")
            raise Violation("wrong cookie", f"{said} in place of: {wanted}: {visit.exchange}")
        self._apply(visit, right, cookie)

    def _apply(self, visit: Visit, outcomes: list[Outcome], cookie: Cookie | None) -> None:
        loaded = visit.loaded
        is_loaded = loaded is not None and loaded.id == visit.loaded_id and loaded.id in self.sessions
        visit.socket_session = loaded if is_loaded else None
        verdicts = {outcome.verdict for outcome in outcomes}
        if verdicts == {"new"}:
            assert cookie is not None
            data = [outcome.data for outcome in outcomes]
            if loaded is None or not is_loaded or outcomes[0].ends_loaded:
                if loaded is not None and is_loaded:
                    self._change(loaded, [{}])
                self.sessions[cookie.value] = visit.socket_session = Session(cookie.value, data)
            else:
                self._rename(loaded, cookie.value)
                self._change(loaded, data)
        elif loaded is not None and is_loaded:
            self._change(loaded, [{} if outcome.ends_loaded else outcome.data for outcome in outcomes])

    def _is_unknown(self, cookie: Cookie, visit: Visit) -> bool:
        known = {*self.sessions, *self.rotated, *self.ended, *(each.value for each in visit.exchange.sent)}
        return cookie.value not in known

    def _rename(self, session: Session, new: str) -> None:
        self.rotated.add(session.id)
        del self.sessions[session.id]
        session.id = new
        self.sessions[new] = session

    def _change(self, session: Session, possible: list[Data]) -> None:
        session.become(possible)
        if not any(session.possible):
            self.ended.add(session.id)
            self.sessions.pop(session.id, None)


def _ended(play: Play) -> list[Outcome]:
    """What is made of a session that another request has ended, or this one everywhere."""
    if play.cleared and play.data and not play.spoiled:
        return [Outcome("new", play.data, ends_loaded=True)]
    return [Outcome("nothing"), *([Outcome("end", ends_loaded=True)] if play.cleared else [])]


def _lives(cookie: Cookie) -> bool:
    return cookie.expires is None or cookie.expires > 0


def _merge(base: Data, mine: Data, theirs: Data) -> Data:
    """What the two changes of one session make of it."""
    merged = dict(theirs)
    for key in base.keys() | mine.keys():
        if base.get(key) != mine.get(key):
            merged.pop(key, None)
            if key in mine:
                merged[key] = mine[key]
    return merged
