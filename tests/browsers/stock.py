"""What is in the sessions of Litestar's own middleware, which stores the whole session with every answer."""

from __future__ import annotations

from tests.browsers.model import Session, Visit, World
from tests.browsers.outcomes import Data
from tests.browsers.violations import Violation

__all__ = ("StockWorld",)


class StockWorld(World):
    """The sessions of ``ServerSideSessionConfig``, whose requests are never held: the last answer counts, whole."""

    def __init__(self, key: str) -> None:
        super().__init__(key, merges=False)

    def answered(self, visit: Visit) -> None:
        self._narrow(visit)
        cookies = [cookie for cookie in visit.exchange.cookies if cookie.name == self.key]
        if len(cookies) > 1:
            raise Violation("several cookies", visit.exchange)
        if visit.plays[0].raised or visit.plays[0].spoiled:  # whether it was stored, nobody promises
            if visit.loaded is not None:
                self._change(visit.loaded, [*visit.bases, *(play.data for play in visit.plays if not play.spoiled)])
            return
        if not cookies:
            if any(play.data != base for base, play in zip(visit.bases, visit.plays, strict=True)):
                raise Violation("no cookie", visit.exchange)
            return
        self._store(visit, cookies[0].value, [play.data for play in visit.plays])

    def _store(self, visit: Visit, session_id: str, possible: list[Data]) -> None:
        if session_id == "null":
            if visit.loaded is not None:
                self.end(visit.loaded)
            return
        session = self.sessions.get(session_id) or Session(session_id, [])
        self.sessions[session_id] = session
        self._change(session, possible)
