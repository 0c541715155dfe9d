"""Random histories: hypothesis draws what the browsers do, and makes it short when something is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.browsers import orders
from tests.browsers.exchanges import Order
from tests.browsers.history import BROWSERS, MOST_HELD, History
from tests.browsers.meddling import damage, end_owned, expire, forge, move, plant, replay
from tests.browsers.programs import Program
from tests.browsers.servers import SETUPS
from tests.browsers.tabs import change_at_once, log_in_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.browsers.browser import Browser
    from tests.browsers.exchanges import Exchange
    from tests.browsers.grounds import Grounds
    from tests.browsers.servers import Setup

__all__ = ("STEPS", "BrowserMachine")

STEPS = 25
WHO = st.integers(0, BROWSERS - 1)
MEDDLING = st.sampled_from(["end", "expire", "damage"])
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
        history = History(self._grounds, self._setups[setup % len(self._setups)], crumbs=crumbs)
        self._grounds.run(history.open())
        self._history = history
        if warm:
            self._grounds.run(history.warm_up())

    def teardown(self) -> None:
        if self._history is not None:
            self._grounds.run(self._history.close())

    # -- what browsers ask for

    @rule(who=WHO, order=orders.pages())
    def visit(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, other=WHO, order=orders.cached_pages(), other_order=orders.almost_the_same())
    def visit_a_cached_page(self, who: int, other: int, order: Order, other_order: dict[str, Any]) -> None:
        self._visit(who, order)
        self._visit(other, replace(order, **other_order))

    @rule(who=WHO, order=orders.mounts())
    def visit_a_mounted_application(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @rule(who=WHO, order=orders.stock_pages())
    def visit_with_a_stock_session(self, who: int, order: Order) -> None:
        self._visit(who, order)

    @precondition(lambda self: self.history.setup.sends_what_a_websocket_accepts_with)
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

    @rule(who=WHO, part=orders.OUR_PARTS, times=st.integers(2, 8), how=st.sampled_from(["change", "log in"]))
    def use_several_tabs_at_once(self, who: int, part: str, times: int, how: str) -> None:
        history, browser = self.history, self.browser(who)
        if how == "change":
            self._grounds.run(change_at_once(history, browser, times))
        else:
            self._grounds.run(log_in_at_once(history, browser, part, times))

    def _visit(self, who: int, order: Order) -> Exchange:
        return self._grounds.run(self.history.visit(self.browser(who), order))

    # -- what happens to them

    @rule(attacker=WHO, victim=WHO, part=orders.OUR_PARTS)
    def plant_a_session(self, attacker: int, victim: int, part: str) -> None:
        self._grounds.run(plant(self.history, self.browser(attacker), self.browser(victim), part))

    @rule(who=WHO, part=orders.OUR_PARTS, value=STRANGE_IDS, elsewhere=st.booleans(), begins=st.booleans())
    def bring_a_strange_cookie(self, who: int, part: str, value: str, elsewhere: bool, begins: bool) -> None:
        forge(self.history, self.browser(who), part, value, elsewhere=elsewhere)
        if begins:
            self._visit(who, Order(part, "page", Program((("set", "a", "1"),))))

    @rule(who=WHO, part=orders.OUR_PARTS, which=st.integers(0, 9))
    def replay_a_dead_id(self, who: int, part: str, which: int) -> None:
        if replay(self.history, self.browser(who), part, which):
            self._visit(who, Order(part, "page", Program((("read",),))))

    @rule(who=WHO, part=orders.OUR_PARTS)
    def bring_a_cookie_with_another_path(self, who: int, part: str) -> None:
        move(self.history, self.browser(who), part)

    @rule(who=WHO, part=orders.OUR_PARTS, how=MEDDLING)
    def meddle_with_the_database(self, who: int, part: str, how: str) -> None:
        self._meddle(who, part, how)

    @precondition(lambda self: len(self.history.held) < MOST_HELD)
    @rule(who=WHO, slow=orders.held_pages(), quick=orders.pages(), how=st.none() | MEDDLING)
    def do_something_during_a_slow_visit(self, who: int, slow: Order, quick: Order, how: str | None) -> None:
        exchange = self._visit(who, slow)
        if how is None:
            self._visit(who, replace(quick, part=slow.part))
        else:
            self._meddle(who, slow.part, how)
        for held in [held for held in self.history.held if held.exchange is exchange]:
            self._grounds.run(self.history.release(held))

    def _meddle(self, who: int, part: str, how: str) -> None:
        history, browser = self.history, self.browser(who)
        session = history.session_of(browser, part)
        if how == "end":
            self._grounds.run(end_owned(history, browser, part))
        elif session is not None:
            meddle = expire(history, session, part) if how == "expire" else damage(history, browser, session, part)
            self._grounds.run(meddle)

    @invariant()
    def no_table_tells_what_browsers_know(self) -> None:
        if self._history is not None:
            self._grounds.run(self._history.check_tables())
