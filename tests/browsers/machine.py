"""Random histories: hypothesis draws what the browsers do, and makes it short when something is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.browsers import orders
from tests.browsers.browser import Order
from tests.browsers.history import BROWSERS, MOST_HELD, History
from tests.browsers.programs import Program
from tests.browsers.servers import SETUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.browsers.browser import Browser
    from tests.browsers.grounds import Grounds
    from tests.browsers.servers import Setup

__all__ = ("STEPS", "BrowserMachine")

STEPS = 25
WHO = st.integers(0, BROWSERS - 1)
STRANGE_IDS = st.sampled_from(["0123456789abcdef" * 4, "f" * 64, "null", "%00", "k" * 1000, ""]) | st.sampled_from(
    ["0123456789abcdef" * 4, "f" * 64]
)


class BrowserMachine(RuleBasedStateMachine):
    """Browsers, and what they may do next.

    Args:
        grounds: Where.
        setups: How the site may be served.
    """

    def __init__(self, grounds: Grounds, setups: Sequence[Setup] = SETUPS) -> None:
        super().__init__()
        self._grounds = grounds
        self._setups = setups
        self._history: History | None = None

    @property
    def history(self) -> History:
        assert self._history is not None
        return self._history

    def browser(self, number: int) -> Browser:
        return self.history.browsers[number]

    @initialize(setup=st.integers(0, len(SETUPS) - 1), crumbs=st.booleans(), warm=st.booleans())
    def open(self, setup: int, crumbs: bool, warm: bool) -> None:
        self._history = History(self._grounds, self._setups[setup % len(self._setups)], crumbs=crumbs)
        self._grounds.run(self._history.open())
        if warm:
            self._grounds.run(self._history.warm_up())

    def teardown(self) -> None:
        if self._history is not None:
            self._grounds.run(self._history.close())

    # -- what browsers ask for

    @rule(who=WHO, order=orders.pages())
    def visit(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, order=orders.cached_pages())
    def visit_a_cached_page(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, order=orders.mounts())
    def visit_a_mounted_application(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, order=orders.stock_pages())
    def visit_with_a_stock_session(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, order=orders.sockets())
    def open_a_websocket(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, order=orders.limited_pages(), times=st.integers(1, 3))
    def visit_a_limited_page(self, who: int, order: Order, times: int) -> None:
        for _ in range(times):
            self._visit(who, order)

    @precondition(lambda self: len(self.history.held) < MOST_HELD)
    @rule(who=WHO, order=orders.held_pages())
    def begin_a_slow_visit(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @precondition(lambda self: self.history.held)
    @rule(which=st.integers(0, MOST_HELD - 1))
    def let_a_slow_visit_end(self, which: int) -> None:
        held = self.history.held[which % len(self.history.held)]
        self._grounds.run(self.history.release(held))

    def _visit(self, who: int, order: Order) -> None:
        self._grounds.run(self.history.visit(self.browser(who), order))

    # -- what happens to them

    @rule(attacker=WHO, victim=WHO, part=orders.OUR_PARTS)
    def plant_a_session(self, attacker: int, victim: int, part: str) -> None:
        self._grounds.run(self.history.plant(self.browser(attacker), self.browser(victim), part))

    @rule(who=WHO, part=orders.OUR_PARTS, value=STRANGE_IDS, elsewhere=st.booleans())
    def bring_a_strange_cookie(self, who: int, part: str, value: str, elsewhere: bool) -> None:
        self.history.forge(self.browser(who), part, value, elsewhere=elsewhere)

    @rule(who=WHO, part=orders.OUR_PARTS, which=st.integers(0, 9))
    def replay_a_dead_id(self, who: int, part: str, which: int) -> None:
        if self.history.replay(self.browser(who), part, which):
            self._visit(who, Order(part, "page", Program((("read",),))))

    @rule(who=WHO, part=orders.OUR_PARTS)
    def bring_a_cookie_with_another_path(self, who: int, part: str) -> None:
        self.history.move(self.browser(who), part)

    @rule(who=WHO, part=orders.OUR_PARTS, how=st.sampled_from(["end", "expire", "damage"]))
    def meddle_with_the_database(self, who: int, part: str, how: str) -> None:
        history, browser = self.history, self.browser(who)
        session = history.session_of(browser, part)
        if how == "end":
            self._grounds.run(history.end_owned(browser, part))
        elif session is not None:
            meddle = history.expire(session, part) if how == "expire" else history.damage(browser, session, part)
            self._grounds.run(meddle)

    @invariant()
    def no_table_tells_what_browsers_know(self) -> None:
        if self._history is not None:
            self._grounds.run(self._history.check_tables())
