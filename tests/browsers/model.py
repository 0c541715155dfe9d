"""What is in the sessions of the site, as it should be.

One request moves at a time: others are held where the test wants them. So it is known when each loads its session and
when it stores it. Where the outcome is nobody's promise, the model keeps every one that may be, until an answer tells.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.browsers.outcomes import Data, Outcome, Verdict, ended, lives, stored
from tests.browsers.programs import HOLD, Play
from tests.browsers.violations import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browsers.exchanges import Exchange
    from tests.browsers.jar import Cookie

__all__ = ("Session", "Visit", "World")

CHOOSES_A_SESSION = {"log-in", "enter", "rotate", "log-out", "end"}


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
        session_id, version = (loaded.id, loaded.version) if loaded else ("", 0)
        visit = Visit(exchange, loaded, session_id, late, bases, [Play(dict(base)) for base in bases], version)
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

    def change(self, session: Session, entries: Data) -> None:
        """Some entries of a session have got values."""
        self._change(session, [{**data, **entries} for data in session.possible])

    def rename(self, session: Session, new: str) -> None:
        """A session has got another id."""
        self.rotated.add(session.id)
        del self.sessions[session.id]
        session.id = new
        self.sessions[new] = session

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
            if play.cleared:  # a log-out means it under that id, too
                return [Outcome("new" if play.data else "end", play.data, ends_loaded=True)]
            return [Outcome("nothing")]
        return [
            outcome
            for current in loaded.possible
            for outcome in (stored(current, base, play, merges=self._merges) if current else ended(play))
        ]

    def _settle(self, visit: Visit, outcomes: list[Outcome]) -> None:
        """Take the outcomes that the cookie of the answer is right for."""
        cookies = [cookie for cookie in visit.exchange.cookies if cookie.name == self.key]
        if len(cookies) > 1:
            raise Violation("several cookies", visit.exchange)
        cookie = cookies[0] if cookies else None
        fits: dict[Verdict, Callable[[Cookie | None], bool]] = {
            "nothing": lambda cookie: cookie is None,
            "keep": lambda cookie: cookie is None or (cookie.value == visit.loaded_id and lives(cookie)),
            "new": lambda cookie: cookie is not None and lives(cookie) and self._is_unknown(cookie, visit),
            "end": lambda cookie: cookie is not None and not lives(cookie),
        }
        right = [outcome for outcome in outcomes if fits[outcome.verdict](cookie)]
        if not right:
            wanted = " or ".join(sorted({outcome.verdict for outcome in outcomes}))
            said = cookie and (cookie.value, "lives" if lives(cookie) else "is over")
            raise Violation("wrong cookie", f"{said} in place of: {wanted}: {visit.exchange}")
        self._apply(visit, right, cookie)

    def _apply(self, visit: Visit, outcomes: list[Outcome], cookie: Cookie | None) -> None:
        loaded = visit.loaded
        is_loaded = loaded is not None and loaded.id == visit.loaded_id and loaded.id in self.sessions
        visit.socket_session = loaded if is_loaded else None
        verdicts = {outcome.verdict for outcome in outcomes}
        if loaded is not None and not is_loaded and any(outcome.ends_loaded for outcome in outcomes):
            surely = all(outcome.ends_loaded for outcome in outcomes)
            self._change(loaded, [{}] if surely else [{}, *loaded.possible])
        if verdicts == {"new"}:
            assert cookie is not None
            data = [outcome.data for outcome in outcomes]
            if loaded is None or not is_loaded or outcomes[0].ends_loaded:
                if loaded is not None and is_loaded:
                    self._change(loaded, [{}])
                self.sessions[cookie.value] = visit.socket_session = Session(cookie.value, data)
            else:
                self.rename(loaded, cookie.value)
                self._change(loaded, data)
        elif loaded is not None and is_loaded:
            self._change(loaded, [{} if outcome.ends_loaded else outcome.data for outcome in outcomes])

    def _is_unknown(self, cookie: Cookie, visit: Visit) -> bool:
        known = {*self.sessions, *self.rotated, *self.ended, *(each.value for each in visit.exchange.sent)}
        return cookie.value not in known

    def _change(self, session: Session, possible: list[Data]) -> None:
        session.become(possible)
        if not any(session.possible):
            self.ended.add(session.id)
            self.sessions.pop(session.id, None)
