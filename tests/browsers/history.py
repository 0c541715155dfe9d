"""One history: some browsers, what they do, and what is checked after each step."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.browsers.application import CSRF_COOKIE, OWN_PARTS, PARTS
from tests.browsers.browser import Browser
from tests.browsers.exchanges import Exchange, Order
from tests.browsers.invariants import (
    Secrets,
    check_answer,
    check_cookies,
    check_limit,
    check_replay,
    is_replay,
)
from tests.browsers.model import Session, Visit, World
from tests.browsers.programs import Program, Step
from tests.browsers.stock import StockWorld
from tests.browsers.tables import traces
from tests.browsers.violations import Violation

if TYPE_CHECKING:
    from tests.backends import Store
    from tests.browsers.grounds import Grounds, Site
    from tests.browsers.servers import Setup

__all__ = ("BROWSERS", "History")

BROWSERS = 3
ACCOUNTS = ("ada", "ada", "eve")
"""Whose the browsers are: two are of one user."""
MOST_HELD = 3


@dataclass
class Held:
    """A request that the application holds until it is told to go on."""

    exchange: Exchange
    visit: Visit | None
    task: asyncio.Task[None]


class History:
    """Some browsers that visit the site, from nothing.

    Args:
        grounds: Where.
        setup: How the site is served.
        crumbs: Whether the browsers send each cookie in a field of its own.
    """

    def __init__(self, grounds: Grounds, setup: Setup, *, crumbs: bool) -> None:
        self._grounds = grounds
        self.switchboard = grounds.switchboard
        grounds.histories += 1
        self.setup = setup
        self.name = f"h{grounds.histories}"
        self._crumbs = crumbs
        self.secrets = Secrets()
        self.worlds: dict[str, World] = {
            name: World(config.key, merges=name == "merge") if name in OWN_PARTS else StockWorld(config.key)
            for name, config in PARTS.items()
        }
        self.held: list[Held] = []
        self._made: dict[str, Exchange] = {}
        self._cached: set[object] = set()
        self._calls: Counter[tuple[str, str]] = Counter()

    async def open(self) -> None:
        self.site: Site = await self._grounds.site(self.setup)
        self._tables = await self._grounds.tables()
        self.browsers = [
            Browser(
                f"{self.name}-b{number}", self.site.port, self.site.transport, self.site.connect, crumbs=self._crumbs
            )
            for number in range(BROWSERS)
        ]

    async def close(self) -> None:
        """Let everything go on that is held, and remove what was stored."""
        for held in self.held:
            await self.switchboard.release(held.exchange.id)
        await asyncio.gather(*(held.task for held in self.held), return_exceptions=True)
        for held in self.held:
            await self.switchboard.report(held.exchange.id)
        await self.site.store.delete_all()

    def account(self, browser: Browser) -> str:
        return f"{self.name}-{ACCOUNTS[self.browsers.index(browser)]}"

    # -- visits

    async def visit(self, browser: Browser, order: Order) -> Exchange:
        """Ask for something; the answer is checked unless the request is held."""
        order = replace(order, program=self._personal(browser, order.program))
        if order.method == "POST" and browser.cookie(CSRF_COOKIE, order) is None:
            order = replace(order, method="GET")
        if order.old_cookies and not self._has_rotated(browser, order.part):
            order = replace(order, old_cookies=False)
        exchange = browser.begin(order)
        world = self.worlds.get(order.part)
        visit = world.begin(exchange) if world else None
        must_hit = _cache_key(order) in self._cached and not order.authorization
        task = asyncio.ensure_future(browser.send(exchange))
        await self.switchboard.held(exchange.id)
        held = Held(exchange, visit, task)
        if self.switchboard.is_held(exchange.id):
            self.held.append(held)
        else:
            await self._finish(held)
            if must_hit and not is_replay(exchange):
                raise Violation("not from the cache", exchange)
        return exchange

    async def release(self, held: Held) -> None:
        """Let a request go on."""
        self.held.remove(held)
        await self.switchboard.release(held.exchange.id)
        await self._finish(held)

    async def _finish(self, held: Held) -> None:
        exchange, visit = held.exchange, held.visit
        await held.task
        exchange.report = await self.switchboard.report(exchange.id)
        self.check(exchange, late=visit is not None and visit.late)
        if visit is not None:
            self._follow(exchange, visit)
        else:
            self._count(exchange)

    def check(self, exchange: Exchange, *, late: bool = False) -> None:
        """See that an answer is what it must be, whatever the sessions are."""
        self._made[exchange.id] = exchange
        self.secrets.check(exchange)
        check_answer(exchange, self.account(exchange.browser), late=late)
        if is_replay(exchange):
            assert exchange.answer is not None
            assert exchange.answer.page is not None
            check_replay(self._made[exchange.answer.page["request"]], exchange)
        elif _may_be_cached(exchange):
            self._cached.add(_cache_key(exchange.order))
        check_cookies(exchange)

    def _follow(self, exchange: Exchange, visit: Visit) -> None:
        world = self.worlds[exchange.order.part]
        if is_replay(exchange):
            world.was_replayed(visit)
        world.answered(visit)
        if exchange.order.is_socket:
            world.closed(visit)

    def _count(self, exchange: Exchange) -> None:
        order = exchange.order
        self._calls[order.part, exchange.browser.name] += 1
        ours = order.part == "ours"
        if ours or self.setup.workers == 1:  # Litestar's own counts in each worker
            check_limit(exchange, self._calls[order.part, exchange.browser.name], ours=ours)

    def _personal(self, browser: Browser, program: Program) -> Program:
        words = {"{account}": self.account(browser), "{own}": f"something for {browser.name} alone"}

        def personal(step: Step) -> Step:
            return tuple(words.get(word, word) for word in step)

        return Program(tuple(map(personal, program.before)), tuple(map(personal, program.during)))

    def _has_rotated(self, browser: Browser, part: str) -> bool:
        former = browser.former(part)
        return former is not None and former.value in self.worlds[part].rotated

    def session_of(self, browser: Browser, part: str) -> Session | None:
        """The session that a browser has, if it surely has one."""
        cookie = browser.cookie(part, Order(part, "page"))
        session = self.worlds[part].sessions.get(cookie.value) if cookie else None
        return session if session is not None and all(session.possible) else None

    async def warm_up(self) -> None:
        """Most browsers have sessions already, and some are logged in."""
        steps: list[Step] = [("log-in", "{account}"), ("set", "a", "1")]
        for part in sorted(OWN_PARTS):
            for browser in self.browsers:
                await self.visit(browser, Order(part, "page", Program(tuple(steps))))
            steps.pop(0)

    def store(self, part: str) -> Store:
        """Where the sessions of a part are."""
        return self.site.store.with_namespace(PARTS[part].store)

    async def check_tables(self) -> None:
        """No table holds what a browser knows."""
        if found := traces(await self._tables.dump(), self.secrets.all):
            raise Violation("secret in a table", found)


def _cache_key(order: Order) -> object:
    return order.path, order.query, order.host, order.method, order.gzip, order.language, order.origin


def _may_be_cached(exchange: Exchange) -> bool:
    """Whether a page is in the cache for everybody now."""
    order, answer = exchange.order, exchange.answer
    assert answer is not None
    return (
        order.part in OWN_PARTS
        and order.page.startswith(("cached", "varying"))
        and answer.status == 200
        and not (order.program.touches or order.authorization or answer.all("set-cookie"))
    )
