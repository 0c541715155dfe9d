"""Several tabs of one browser that ask at once, in whatever order the answers are made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.browsers.exchanges import Exchange, Order
from tests.browsers.programs import Program
from tests.browsers.violations import Violation

if TYPE_CHECKING:
    from tests.browsers.browser import Browser
    from tests.browsers.history import History

__all__ = ("change_at_once", "log_in_at_once")


async def change_at_once(history: History, browser: Browser, times: int) -> None:
    """Tabs of one browser change different entries of one session: none of the changes is lost."""
    session = history.session_of(browser, "merge")
    if session is None:
        return
    changes = {f"tab {number}": "1" for number in range(times)}
    programs = [Program((("set", key, value),)) for key, value in changes.items()]
    for exchange in await _at_once(history, browser, "merge", programs):
        if any(cookie.value != session.id for cookie in exchange.cookies if cookie.name == "merge"):
            raise Violation("wrong cookie", exchange)
    history.worlds["merge"].change(session, changes)
    await history.visit(browser, Order("merge", "page", Program((("read",),))))


async def log_in_at_once(history: History, browser: Browser, part: str, times: int) -> None:
    """Tabs of one browser read the session while one logs in: the browser is logged in after that."""
    session, user = history.session_of(browser, part), history.account(browser)
    if session is None:
        return
    programs = [Program((("log-in", user),)), *[Program((("read",),))] * times]
    exchanges = await _at_once(history, browser, part, programs)
    told = [cookie.value for each in exchanges for cookie in each.cookies if cookie.name == part]
    if len(told) != 1 or not exchanges[0].cookies:
        raise Violation("wrong cookie", f"{told} in place of one new one: {exchanges}")
    history.worlds[part].rename(session, told[0])
    history.worlds[part].change(session, {"user": user})
    await history.visit(browser, Order(part, "page", Program((("read",),))))


async def _at_once(history: History, browser: Browser, part: str, programs: list[Program]) -> list[Exchange]:
    exchanges = [browser.begin(Order(part, "page", program)) for program in programs]
    await asyncio.gather(*(browser.send(exchange) for exchange in exchanges))
    for exchange in exchanges:
        exchange.report = await history.switchboard.report(exchange.id)
        history.check(exchange)
    return exchanges
